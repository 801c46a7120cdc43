"""Indexes documents again without a person: after a failure, a change of the format or of a model's settings.

A base that is found by words only, because there was no embedding model, gets the tenant's default once there is one.
"""

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from nexent_gql.domains.knowledge.embedding import KnowledgeEmbedder, route_identity
from nexent_gql.domains.knowledge.indexing import INDEX_FORMAT, DocumentIndexer
from nexent_gql.domains.knowledge.jobs import IndexDocument, RefreshSearchIndex
from nexent_gql.domains.knowledge.model_changes import RETRY_AFTER, embed_by_default
from nexent_gql.domains.knowledge.repository import DocumentRepository, KnowledgeBaseRepository
from nexent_gql.domains.knowledge.tables import (
    DocumentVersion,
    EmbeddingChoice,
    KnowledgeBase,
    SearchLimitationCode,
)
from nexent_gql.jobs.enqueue import enqueue
from nexent_gql.jobs.housekeeping import abandon
from nexent_gql.jobs.lease import Lease
from nexent_gql.jobs.registry import JobHandler
from nexent_gql.jobs.tables import JobState
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.errors import DomainError

_BATCH = 500
_log = structlog.get_logger()
_TENANTS = text("SELECT DISTINCT tenant_id FROM knowledge_base WHERE deleted_at IS NULL")
_STALE = text("""
    SELECT d.id, v.created_by, v.indexed_at FROM document AS d
      JOIN document_version AS v ON v.tenant_id = d.tenant_id AND v.id = d.current_version_id
     WHERE d.tenant_id = :tenant AND d.knowledge_base_id = ANY(CAST(:bases AS uuid[])) AND d.deleted_at IS NULL
       AND d.id > :after
       AND (v.index_format < :format
         OR (CAST(:model AS text) IS NOT NULL AND v.index_model IS DISTINCT FROM CAST(:model AS text))
         OR (v.limitation_code = :failed AND v.indexed_at < :before))
     ORDER BY d.id LIMIT :batch
""")
_FIRST = UUID(int=0)


class SearchIndexRefresher:
    """Handles `RefreshSearchIndex`: finds the documents and enqueues a job for each."""

    def __init__(self, embedder: KnowledgeEmbedder, clock: Clock) -> None:
        self._embedder = embedder
        self._clock = clock

    @property
    def handler(self) -> JobHandler[RefreshSearchIndex]:
        """What the job registry needs."""
        return JobHandler(RefreshSearchIndex, self.run, abandon)

    async def run(self, lease: Lease, _work: RefreshSearchIndex) -> None:
        """Look through the bases of all tenants."""
        async with lease.db.system() as session:
            tenants = (await session.scalars(_TENANTS)).all()
        for tenant_id in tenants:
            async with lease.db.read(tenant_id) as session:
                bases = await KnowledgeBaseRepository(session, tenant_id).all()
            await self._refresh(lease, tenant_id, bases)

    async def _refresh(self, lease: Lease, tenant_id: UUID, bases: Sequence[KnowledgeBase]) -> None:
        by_choice: defaultdict[EmbeddingChoice, list[UUID]] = defaultdict(list)
        for base in bases:
            by_choice[base.embedding].append(base.id)
        for base_id in by_choice[EmbeddingChoice()]:
            async with lease.db.transaction(tenant_id) as session:
                base = await KnowledgeBaseRepository(session, tenant_id).locked(base_id)
                if base is not None:
                    await embed_by_default(session, base, self._clock)
        for choice, base_ids in by_choice.items():
            try:
                route = await self._embedder.route(tenant_id, choice)
            except DomainError as error:
                _log.warning("knowledge.embedding_model_unusable", tenant_id=str(tenant_id), code=error.code)
                continue
            identity = None if route is None else route_identity(route)
            await self._enqueue_stale(lease, tenant_id, base_ids, identity)

    async def _enqueue_stale(
        self, lease: Lease, tenant_id: UUID, base_ids: Sequence[UUID], identity: str | None
    ) -> None:
        values = {
            "tenant": tenant_id,
            "bases": list(base_ids),
            "format": INDEX_FORMAT,
            "model": identity,
            "failed": SearchLimitationCode.EMBEDDING_FAILED,
            "before": self._clock() - RETRY_AFTER,
            "batch": _BATCH,
        }
        after, count = _FIRST, _BATCH
        while count == _BATCH:
            async with lease.db.transaction(tenant_id) as session:
                rows = (await session.execute(_STALE, {**values, "after": after})).all()
                for document_id, user_id, indexed_at in rows:
                    work = IndexDocument(document_id=document_id, model=identity, indexed_at=indexed_at)
                    await enqueue(session, tenant_id, work, user_id=user_id)
            count, after = len(rows), rows[-1].id if rows else after


class DocumentReindexer:
    """Handles `IndexDocument`."""

    def __init__(self, indexer: DocumentIndexer, clock: Clock) -> None:
        self._indexer = indexer
        self._clock = clock

    @property
    def handler(self) -> JobHandler[IndexDocument]:
        """What the job registry needs."""
        return JobHandler(IndexDocument, self.run, self.abandon)

    async def run(self, lease: Lease, work: IndexDocument) -> None:
        """Put the current version of a document again; it is found all the time."""
        async with lease.db.read(lease.tenant_id) as session:
            version = await DocumentRepository(session, lease.tenant_id).current_version(work.document_id)
        if version is None:
            return
        is_last_attempt = work.retry.is_exhausted(lease.failures + 1, 0)
        outcome = await self._indexer.put(lease.tenant_id, version.id, is_last_attempt=is_last_attempt)
        await self._indexer.publish(lease.tenant_id, work.document_id)
        async with lease.final_transaction(JobState.DONE) as session:
            base = await KnowledgeBaseRepository(session, lease.tenant_id).shared(work.document_id)
            row = await _locked(session, lease.tenant_id, version.id)
            if base is not None and row is not None:
                outcome.check(base)
                outcome.record(row, self._clock())

    async def abandon(self, lease: Lease, work: IndexDocument) -> None:
        """Leave it to the next `RefreshSearchIndex`, which goes by the time that is noted here."""
        async with lease.final_transaction(JobState.DEAD) as session:
            version = await DocumentRepository(session, lease.tenant_id).current_version(work.document_id)
            row = None if version is None else await _locked(session, lease.tenant_id, version.id)
            if row is not None:
                row.indexed_at = self._clock()


async def _locked(session: AsyncSession, tenant_id: UUID, version_id: UUID) -> DocumentVersion | None:
    return await DocumentRepository(session, tenant_id).version(version_id, lock=True)
