"""Reads and writes the summaries of one tenant's bases."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import Select, delete, func, literal, select, text, tuple_
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import aliased
from sqlmodel import col

from nexent_gql.db.repository import TenantRepository
from nexent_gql.domains.knowledge.access_rules import readable_by
from nexent_gql.domains.knowledge.current import of_current_chunks, of_current_versions
from nexent_gql.domains.knowledge.summary_tables import UNFINISHED_SUMMARIES, KnowledgeSummary, SummaryState
from nexent_gql.domains.knowledge.tables import Chunk, Document, DocumentVersion, KnowledgeBase

_SAMPLE = text("""
    SELECT id, document_id, total FROM (
        SELECT c.id, c.document_id, c.ordinal, row_number() OVER (ORDER BY c.document_id, c.ordinal) - 1 AS number,
               count(*) OVER () AS total
          FROM chunk AS c JOIN document AS d ON d.tenant_id = c.tenant_id AND d.current_version_id = c.version_id
         WHERE c.tenant_id = :tenant AND c.knowledge_base_id = :base AND c.is_enabled
           AND d.tenant_id = :tenant AND d.deleted_at IS NULL
    ) AS numbered
     WHERE number * :size / greatest(total, :size) > (number - 1) * :size / greatest(total, :size) OR number = 0
     ORDER BY document_id, ordinal LIMIT :size
""")
"""Chunks at even distances over all documents, in their order; `total` is the number of all."""

_WITH_DELETED_DOCUMENTS = text("""
    SELECT s.id FROM knowledge_summary AS s
     WHERE s.tenant_id = :tenant AND s.id = ANY(:ids) AND EXISTS (
           SELECT 1 FROM unnest(s.document_ids) AS source (id) WHERE NOT EXISTS (
                  SELECT 1 FROM document AS d
                   WHERE d.tenant_id = :tenant AND d.id = source.id AND d.deleted_at IS NULL))
""")


class SummaryRepository(TenantRepository[KnowledgeSummary], table=KnowledgeSummary):
    """The summaries of one tenant."""

    async def readable(self, user_id: UUID, ids: Collection[UUID]) -> list[KnowledgeSummary]:
        """Return those of `ids` whose base a user may read, in any order."""
        query = self._readable(user_id).where(col(KnowledgeSummary.id).in_(ids))
        return list((await self._session.scalars(query)).all())

    async def newest(
        self, user_id: UUID, base_ids: Collection[UUID], state: SummaryState | None = None
    ) -> list[KnowledgeSummary]:
        """Return the newest summary of each base that a user may read, of one state or of any."""
        newer = aliased(KnowledgeSummary)
        place = tuple_(col(KnowledgeSummary.created_at), col(KnowledgeSummary.id))
        later = select(col(newer.id)).where(
            col(newer.tenant_id) == self._tenant_id,
            col(newer.knowledge_base_id) == col(KnowledgeSummary.knowledge_base_id),
            tuple_(col(newer.created_at), col(newer.id)) > place,
        )
        query = self._readable(user_id).where(col(KnowledgeSummary.knowledge_base_id).in_(base_ids))
        if state is not None:
            query, later = query.where(col(KnowledgeSummary.state) == state), later.where(col(newer.state) == state)
        return list((await self._session.scalars(query.where(~later.exists()))).all())

    async def by_client_id(self, base_id: UUID, client_id: str) -> KnowledgeSummary | None:
        """Return the summary of a base that was requested under a client's id."""
        query = self._of_base(base_id).where(col(KnowledgeSummary.client_id) == client_id)
        return (await self._session.scalars(query)).one_or_none()

    async def unfinished(self, base_id: UUID) -> Sequence[KnowledgeSummary]:
        """Return the summaries of a base that are being written, locked."""
        query = self._of_base(base_id).where(col(KnowledgeSummary.state).in_(UNFINISHED_SUMMARIES))
        return (await self._session.scalars(query.order_by(col(KnowledgeSummary.id)).with_for_update())).all()

    async def delete_finished(self, base_id: UUID, *, keep_ready: bool) -> None:
        """Delete the finished summaries of a base; `keep_ready` leaves those that are READY."""
        states = [SummaryState.FAILED, SummaryState.CANCELLED, *([] if keep_ready else [SummaryState.READY])]
        statement = delete(KnowledgeSummary).where(
            col(KnowledgeSummary.tenant_id) == self._tenant_id,
            col(KnowledgeSummary.knowledge_base_id) == base_id,
            col(KnowledgeSummary.state).in_(states),
        )
        await self._session.execute(statement)

    async def with_deleted_documents(self, ids: Collection[UUID]) -> set[UUID]:
        """Return those of `ids` that were made from a document that is deleted."""
        values = {"tenant": self._tenant_id, "ids": list(ids)}
        return set((await self._session.scalars(_WITH_DELETED_DOCUMENTS, values)).all())

    async def revisions(self, base_ids: Collection[UUID]) -> dict[UUID, str]:
        """Return a hash of what is found in each base; it changes with every change of documents and chunks.

        Bases in which nothing is found are left out.
        """
        parts = func.concat(col(DocumentVersion.id), ":", col(DocumentVersion.edits))
        listed = func.string_agg(parts, aggregate_order_by(literal(","), col(Document.id)))
        query = (
            of_current_versions(
                select(col(Document.knowledge_base_id), func.md5(listed)).select_from(DocumentVersion), self._tenant_id
            )
            .where(col(Document.knowledge_base_id).in_(base_ids))
            .group_by(col(Document.knowledge_base_id))
        )
        return {row[0]: row[1] for row in (await self._session.execute(query)).all()}

    async def language_of(self, base_id: UUID) -> str | None:
        """Return the language that most documents of a base have."""
        language = col(DocumentVersion.language)
        query = (
            of_current_versions(select(language), self._tenant_id)
            .where(col(Document.knowledge_base_id) == base_id, language.is_not(None))
            .group_by(language)
            .order_by(func.count().desc(), language)
            .limit(1)
        )
        return (await self._session.scalars(query)).one_or_none()

    async def sample(self, base_id: UUID, size: int) -> tuple[Sequence[tuple[UUID, UUID]], int]:
        """Return at most `size` chunks of a base that are found, at even distances, and the number of all.

        Each chunk is the pair of its id and its document's, in the order of documents and of their texts.
        """
        values = {"tenant": self._tenant_id, "base": base_id, "size": size}
        rows = (await self._session.execute(_SAMPLE, values)).all()
        return [(row.id, row.document_id) for row in rows], rows[0].total if rows else 0

    async def count_documents(self, base_id: UUID) -> int:
        """Count the documents of a base that have enabled chunks."""
        documents = select(func.count(func.distinct(col(Chunk.document_id))))
        query = of_current_chunks(documents, self._tenant_id).where(
            col(Chunk.knowledge_base_id) == base_id, col(Chunk.is_enabled)
        )
        return (await self._session.execute(query)).scalar_one()

    def _of_base(self, base_id: UUID) -> Select[KnowledgeSummary]:
        return self._scope().where(col(KnowledgeSummary.knowledge_base_id) == base_id)

    def _readable(self, user_id: UUID) -> Select[KnowledgeSummary]:
        base = select(col(KnowledgeBase.id)).where(
            col(KnowledgeBase.tenant_id) == self._tenant_id,
            col(KnowledgeBase.id) == col(KnowledgeSummary.knowledge_base_id),
            col(KnowledgeBase.deleted_at).is_(None),
            readable_by(self._tenant_id, user_id),
        )
        return self._scope().where(base.exists())
