"""Processes many documents of a base again."""

from datetime import datetime

from nexent_gql.domains.knowledge.filters import DocumentFilter
from nexent_gql.domains.knowledge.jobs import ReprocessDocuments
from nexent_gql.domains.knowledge.repository import DocumentRepository, KnowledgeBaseRepository
from nexent_gql.domains.knowledge.writing import DocumentContext, DocumentWriter
from nexent_gql.jobs.lease import Lease
from nexent_gql.jobs.registry import JobHandler
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.principal import Principal, Role

_BATCH = 20


class DocumentReprocessor:
    """Handles `ReprocessDocuments` in batches, each of which commits; documents with newer versions are left alone."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    @property
    def handler(self) -> JobHandler[ReprocessDocuments]:
        """What the job registry needs."""
        return JobHandler(ReprocessDocuments, self.run, self.abandon)

    async def run(self, lease: Lease, work: ReprocessDocuments) -> None:
        """Start a new version of each document that matches."""
        if lease.cancelled is None:
            while await self._reprocess_batch(lease, work) == _BATCH:
                continue

    async def abandon(self, _lease: Lease, _work: ReprocessDocuments) -> None:
        """Leave the remaining documents as they are."""

    async def _reprocess_batch(self, lease: Lease, work: ReprocessDocuments) -> int:
        def clock() -> datetime:
            """Give new versions a time that excludes them from the next batch, regardless of this machine's clock."""
            return max(self._clock(), work.requested_at)

        conditions = DocumentFilter(work.states, work.codes, work.batch_id, version_before=work.requested_at)
        async with lease.transaction() as session:
            base = await KnowledgeBaseRepository(session, lease.tenant_id).locked(work.knowledge_base_id)
            if base is None:
                return 0
            rows = await DocumentRepository(session, lease.tenant_id).some_of_base(base.id, conditions, _BATCH)
            actor = Principal(lease.tenant_id, work.user_id, Role.MEMBER)
            writer = DocumentWriter(DocumentContext(session, actor, base, clock))
            for row in rows:
                await writer.reprocess(await writer.lock(row))
            await writer.finish()
        return len(rows)
