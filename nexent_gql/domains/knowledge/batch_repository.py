"""Reads and writes the batches of documents of one tenant."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import func, select
from sqlmodel import col

from nexent_gql.db.repository import TenantRepository
from nexent_gql.domains.knowledge.access_rules import readable_by
from nexent_gql.domains.knowledge.tables import (
    Document,
    DocumentBatch,
    DocumentState,
    DocumentVersion,
    KnowledgeBase,
)


class DocumentBatchRepository(TenantRepository[DocumentBatch], table=DocumentBatch):
    """The batches of documents of one tenant."""

    async def readable(self, user_id: UUID, ids: Collection[UUID]) -> list[DocumentBatch]:
        """Return those of `ids` whose base a user may read, in any order."""
        base = select(col(KnowledgeBase.id)).where(
            col(KnowledgeBase.tenant_id) == self._tenant_id,
            col(KnowledgeBase.id) == col(DocumentBatch.knowledge_base_id),
            col(KnowledgeBase.deleted_at).is_(None),
            readable_by(self._tenant_id, user_id),
        )
        query = self._scope().where(col(DocumentBatch.id).in_(ids), base.exists())
        return list((await self._session.scalars(query)).all())

    async def by_client_id(self, knowledge_base_id: UUID, client_id: str) -> DocumentBatch | None:
        """Return the batch of a base that was added under a client's id."""
        query = self._scope().where(
            col(DocumentBatch.knowledge_base_id) == knowledge_base_id, col(DocumentBatch.client_id) == client_id
        )
        return (await self._session.scalars(query)).one_or_none()

    async def counts(self, batch_ids: Collection[UUID]) -> dict[UUID, dict[DocumentState, int]]:
        """Count the documents of batches by the state of their latest versions."""
        query = (
            select(col(Document.batch_id), col(DocumentVersion.state), func.count())
            .join(DocumentVersion, col(DocumentVersion.id) == col(Document.latest_version_id))
            .where(
                col(Document.tenant_id) == self._tenant_id,
                col(DocumentVersion.tenant_id) == self._tenant_id,
                col(Document.deleted_at).is_(None),
                col(Document.batch_id).in_(batch_ids),
            )
            .group_by(col(Document.batch_id), col(DocumentVersion.state))
        )
        counts: dict[UUID, dict[DocumentState, int]] = {}
        for batch_id, state, count in (await self._session.execute(query)).all():
            if batch_id is not None:
                counts.setdefault(batch_id, {})[DocumentState(state)] = count
        return counts
