"""Reads and writes changes of embedding models, and what is in the indexes of bases."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from nexent_gql.db.repository import TenantRepository
from nexent_gql.domains.knowledge.model_change_tables import (
    OPEN_CHANGES,
    RUNNING_CHANGES,
    EmbeddingModelChange,
    IndexEntry,
)
from nexent_gql.domains.knowledge.tables import KnowledgeBase

_CURRENT = """
    FROM document AS d
    JOIN document_version AS v ON v.tenant_id = d.tenant_id AND v.id = d.current_version_id
    LEFT JOIN index_entry AS e
      ON e.tenant_id = d.tenant_id AND e.version_id = v.id AND e.index_number = CAST(:number AS integer)
   WHERE d.tenant_id = :tenant AND d.knowledge_base_id = :base AND d.deleted_at IS NULL AND v.chunk_count > 0
"""
_STALE = text(f"""
    SELECT d.id AS document_id, v.id AS version_id {_CURRENT}
       AND (e.version_id IS NULL OR e.index_edits <> v.edits OR e.index_format < :format
         OR e.index_model IS DISTINCT FROM CAST(:model AS text))
     ORDER BY d.id LIMIT :limit
""")  # noqa: S608 - the inserted text is a constant
_PRESENT = text(f"""
    SELECT v.id {_CURRENT} AND e.version_id IS NOT NULL AND v.id > :after ORDER BY v.id LIMIT :limit
""")
_PROGRESS = text("""
    SELECT change.id, count(v.id) AS documents, count(e.version_id) AS entries
      FROM embedding_model_change AS change
      JOIN document AS d ON d.tenant_id = change.tenant_id AND d.knowledge_base_id = change.knowledge_base_id
       AND d.deleted_at IS NULL
      JOIN document_version AS v ON v.tenant_id = d.tenant_id AND v.id = d.current_version_id AND v.chunk_count > 0
      LEFT JOIN index_entry AS e ON e.tenant_id = d.tenant_id AND e.version_id = v.id AND e.index_edits = v.edits
       AND e.index_number
         = CASE change.state WHEN 'REVERTING' THEN change.previous_index_number ELSE change.index_number END
     WHERE change.tenant_id = :tenant AND change.id = ANY(CAST(:ids AS uuid[])) GROUP BY change.id
""")
_SPEED = text("""
    SELECT sum(input_tokens)::float8 AS tokens, sum(latency_ms)::float8 AS latency_ms FROM model_call
     WHERE tenant_id = :tenant AND created_at >= :since AND model_id = :model AND purpose = 'INGESTION'
       AND error_code IS NULL AND NOT is_cached
""")
_FIELDS = (
    "index_edits",
    "index_format",
    "index_model",
    "index_space",
    "indexed_at",
    "limitation_code",
    "limitation_message",
)
_KEEP = text(f"""
    INSERT INTO index_entry (tenant_id, version_id, knowledge_base_id, index_number, {", ".join(_FIELDS)})
    SELECT d.tenant_id, v.id, d.knowledge_base_id, CAST(:number AS integer), v.{", v.".join(_FIELDS)} {_CURRENT}
        ON CONFLICT (version_id, index_number)
        DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in _FIELDS)}
""")
_SHOW = text(f"""
    UPDATE document_version AS v SET {", ".join(f"{name} = e.{name}" for name in _FIELDS)}
      FROM index_entry AS e
     WHERE e.tenant_id = :tenant AND e.knowledge_base_id = :base AND e.index_number = CAST(:number AS integer)
       AND v.tenant_id = :tenant AND v.id = e.version_id
""")  # noqa: S608 - the inserted text is a constant


@dataclass(frozen=True, slots=True)
class ChangeProgress:
    """How many documents searches find, and how many of them are in the index that a change builds."""

    documents: int = 0
    entries: int = 0


class EmbeddingModelChangeRepository(TenantRepository[EmbeddingModelChange], table=EmbeddingModelChange):
    """The changes of one tenant."""

    async def newest(self, base_ids: Collection[UUID]) -> Sequence[EmbeddingModelChange]:
        """Return the newest change of each base that has one."""
        newer = aliased(EmbeddingModelChange)
        later = select(col(newer.id)).where(
            col(newer.tenant_id) == self._tenant_id,
            col(newer.knowledge_base_id) == col(EmbeddingModelChange.knowledge_base_id),
            col(newer.id) > col(EmbeddingModelChange.id),
        )
        query = self._scope().where(col(EmbeddingModelChange.knowledge_base_id).in_(base_ids), ~later.exists())
        return (await self._session.scalars(query)).all()

    async def open_change(self, base_id: UUID) -> EmbeddingModelChange | None:
        """Return the change of a base that is running or can be reverted, locked."""
        query = self._scope().where(
            col(EmbeddingModelChange.knowledge_base_id) == base_id, col(EmbeddingModelChange.state).in_(OPEN_CHANGES)
        )
        return (await self._session.scalars(query.with_for_update())).one_or_none()

    async def running(self, base_id: UUID) -> EmbeddingModelChange | None:
        """Return the change of a base that is running."""
        query = self._scope().where(
            col(EmbeddingModelChange.knowledge_base_id) == base_id,
            col(EmbeddingModelChange.state).in_(RUNNING_CHANGES),
        )
        return (await self._session.scalars(query)).one_or_none()

    async def index_numbers(self, base_ids: Collection[UUID]) -> dict[UUID, set[int]]:
        """Return the numbers of the indexes of bases that are used, built or not yet deleted, of hidden bases too."""
        bases = select(col(KnowledgeBase.id), col(KnowledgeBase.index_number)).where(
            col(KnowledgeBase.tenant_id) == self._tenant_id, col(KnowledgeBase.id).in_(base_ids)
        )
        numbers = {row[0]: {row[1]} for row in (await self._session.execute(bases)).all()}
        changes = self._scope().where(
            col(EmbeddingModelChange.knowledge_base_id).in_(base_ids), col(EmbeddingModelChange.is_cleaned).is_(False)
        )
        for change in (await self._session.scalars(changes)).all():
            numbers.setdefault(change.knowledge_base_id, set()).update(
                {change.index_number, change.previous_index_number}
            )
        return numbers

    async def delete_cleaned(self, base_id: UUID) -> None:
        """Delete changes of a base that have ended and left nothing behind."""
        change = EmbeddingModelChange
        await self._session.execute(
            delete(change).where(
                col(change.tenant_id) == self._tenant_id,
                col(change.knowledge_base_id) == base_id,
                col(change.is_cleaned).is_(True),
            )
        )

    async def tokens_per_second(self, model_id: UUID, since: datetime) -> float | None:
        """Return how fast a model embedded passages since a time; None if it embedded none."""
        row = (
            await self._session.execute(_SPEED, {"tenant": self._tenant_id, "model": model_id, "since": since})
        ).one()
        return row.tokens * 1_000 / row.latency_ms if row.tokens and row.latency_ms else None

    async def progress(self, ids: Collection[UUID]) -> dict[UUID, ChangeProgress]:
        """Return how far changes are; those of bases without documents are left out."""
        rows = await self._session.execute(_PROGRESS, {"tenant": self._tenant_id, "ids": list(ids)})
        return {row.id: ChangeProgress(row.documents, row.entries) for row in rows.all()}


class IndexEntryRepository:
    """What is in one index of a base that searches don't use."""

    def __init__(self, session: AsyncSession, base: KnowledgeBase, number: int) -> None:
        self._session = session
        self._base = base
        self._number = number
        self._values = {"tenant": base.tenant_id, "base": base.id, "number": number}

    async def stale(self, index_format: int, model: str | None, limit: int) -> Sequence[tuple[UUID, UUID]]:
        """Return documents that searches find, and their versions, that the index lacks or has as they were before."""
        values = {**self._values, "format": index_format, "model": model, "limit": limit}
        return [(row.document_id, row.version_id) for row in (await self._session.execute(_STALE, values)).all()]

    async def present(self, after: UUID, limit: int) -> Sequence[UUID]:
        """Return versions that searches find and that the index should have, in the order of their ids."""
        values = {**self._values, "after": after, "limit": limit}
        return (await self._session.scalars(_PRESENT, values)).all()

    async def exchange(self, number: int) -> None:
        """Make the rows of versions say what this index has, and keep what the index `number` has as entries."""
        await self._session.execute(_KEEP, {**self._values, "number": number})
        await self._session.execute(_SHOW, self._values)
        await self.delete()

    async def delete(self, version_ids: Collection[UUID] | None = None) -> None:
        """Forget some entries, or all."""
        statement = delete(IndexEntry).where(
            col(IndexEntry.tenant_id) == self._base.tenant_id,
            col(IndexEntry.knowledge_base_id) == self._base.id,
            col(IndexEntry.index_number) == self._number,
        )
        if version_ids is not None:
            statement = statement.where(col(IndexEntry.version_id).in_(version_ids))
        await self._session.execute(statement)
