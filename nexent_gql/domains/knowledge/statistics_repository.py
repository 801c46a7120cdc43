"""Sums over the documents of one tenant."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, cast, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from nexent_gql.domains.files.tables import File
from nexent_gql.domains.knowledge.access_rules import readable_by
from nexent_gql.domains.knowledge.tables import Document, DocumentState, DocumentVersion, KnowledgeBase


class StatisticsRepository:
    """Sums over the documents of one tenant; each takes one statement, however many bases or files."""

    def __init__(self, session: AsyncSession, tenant_id: UUID) -> None:
        self._session = session
        self._tenant_id = tenant_id

    async def sums_of_bases(
        self, knowledge_base_ids: Collection[UUID]
    ) -> "Mapping[UUID, Mapping[str, int | datetime | None]]":
        """Return `chunk_count`, `char_count`, `size_bytes`, `changed_at` and a count for each state of each base."""
        latest, current = aliased(DocumentVersion), aliased(DocumentVersion)
        base_id, size = col(Document.knowledge_base_id), func.octet_length(col(current.source_text))
        sums = {
            "chunk_count": func.coalesce(func.sum(col(current.chunk_count)), 0),
            "char_count": func.coalesce(func.sum(col(current.char_count)), 0),
            "size_bytes": cast(func.coalesce(func.sum(func.coalesce(col(File.size_bytes), size)), 0), BigInteger),
            "changed_at": func.max(func.greatest(col(latest.updated_at), col(Document.updated_at))),
        }
        states = {state.value: func.count().filter(col(latest.state) == state) for state in DocumentState}
        columns = [column.label(name) for name, column in {**sums, **states}.items()]
        query = (
            select(base_id, *columns)
            .join(latest, col(latest.id) == col(Document.latest_version_id))
            .outerjoin(current, col(current.id) == col(Document.current_version_id))
            .outerjoin(File, (col(File.tenant_id) == self._tenant_id) & (col(File.id) == col(current.file_id)))
            .where(
                col(Document.tenant_id) == self._tenant_id,
                col(latest.tenant_id) == self._tenant_id,
                col(Document.deleted_at).is_(None),
                base_id.in_(knowledge_base_ids),
            )
            .group_by(base_id)
        )
        return {row["knowledge_base_id"]: {**row} for row in (await self._session.execute(query)).mappings().all()}

    async def documents_of_files(
        self, user_id: UUID, file_ids: Collection[UUID], most: int
    ) -> Mapping[UUID, Sequence[UUID]]:
        """Return the documents of each file that a user may read, newest first, at most `most` of each file."""
        file_id = col(DocumentVersion.file_id)
        is_used = or_(
            col(DocumentVersion.id) == col(Document.latest_version_id),
            col(DocumentVersion.id) == col(Document.current_version_id),
        )
        uses = (
            select(file_id, col(Document.id))
            .join(Document, (col(Document.tenant_id) == self._tenant_id) & is_used)
            .join(KnowledgeBase, col(KnowledgeBase.id) == col(Document.knowledge_base_id))
            .where(
                col(DocumentVersion.tenant_id) == self._tenant_id,
                file_id.in_(file_ids),
                col(Document.deleted_at).is_(None),
                col(KnowledgeBase.tenant_id) == self._tenant_id,
                col(KnowledgeBase.deleted_at).is_(None),
                readable_by(self._tenant_id, user_id),
            )
            .distinct()
            .subquery()
        )
        place = func.row_number().over(partition_by=uses.c.file_id, order_by=uses.c.id.desc())
        ranked = select(uses, place.label("place")).subquery()
        query = select(ranked).where(ranked.c.place <= most).order_by(ranked.c.file_id, ranked.c.place)
        documents: defaultdict[UUID, list[UUID]] = defaultdict(list)
        for row in (await self._session.execute(query)).mappings().all():
            documents[row["file_id"]].append(row["id"])
        return documents
