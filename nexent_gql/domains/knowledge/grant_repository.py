"""Reads and writes what groups can do with the bases of one tenant."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from sqlalchemy import delete, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from nexent_gql.domains.knowledge.policy import GroupGrant
from nexent_gql.domains.knowledge.tables import KnowledgeBaseGrant, KnowledgePermission
from nexent_gql.domains.knowledge.topics import knowledge_topic
from nexent_gql.jobs.enqueue import notify_readers_of

_NOTIFY = text(
    notify_readers_of("CAST(:topics AS text) || knowledge_base_id")
    + " FROM knowledge_base_grant WHERE tenant_id = :tenant AND group_id = :group"
)


class KnowledgeGrantRepository:
    """The grants of one tenant."""

    def __init__(self, session: AsyncSession, tenant_id: UUID) -> None:
        self._session = session
        self._tenant_id = tenant_id

    async def of_bases(self, knowledge_base_ids: Collection[UUID]) -> Mapping[UUID, Sequence[GroupGrant]]:
        """Return the grants of bases, in the order in which their owners gave them."""
        query = (
            select(KnowledgeBaseGrant)
            .where(
                col(KnowledgeBaseGrant.tenant_id) == self._tenant_id,
                col(KnowledgeBaseGrant.knowledge_base_id).in_(knowledge_base_ids),
            )
            .order_by(col(KnowledgeBaseGrant.position), col(KnowledgeBaseGrant.group_id))
        )
        grants: defaultdict[UUID, list[GroupGrant]] = defaultdict(list)
        for row in (await self._session.scalars(query)).all():
            grants[row.knowledge_base_id].append(GroupGrant(row.group_id, KnowledgePermission(row.permission)))
        return grants

    async def replace(self, knowledge_base_id: UUID, permissions: Mapping[UUID, KnowledgePermission]) -> None:
        """Share a base with these groups and no others."""
        await self._session.execute(
            delete(KnowledgeBaseGrant).where(
                col(KnowledgeBaseGrant.tenant_id) == self._tenant_id,
                col(KnowledgeBaseGrant.knowledge_base_id) == knowledge_base_id,
            )
        )
        rows = [
            {
                "tenant_id": self._tenant_id,
                "knowledge_base_id": knowledge_base_id,
                "group_id": group_id,
                "permission": permission,
                "position": position,
            }
            for position, (group_id, permission) in enumerate(permissions.items())
        ]
        if rows:
            await self._session.execute(insert(KnowledgeBaseGrant), rows)

    async def notify_readers_of_group(self, group_id: UUID) -> None:
        """After the commit, let the readers of all bases that are shared with a group check whether they still may."""
        topics = knowledge_topic(self._tenant_id, group_id).removesuffix(str(group_id))
        values = {"tenant": self._tenant_id, "group": group_id, "topics": topics}
        await self._session.execute(_NOTIFY, values)
