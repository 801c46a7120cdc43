"""Brings the search index in step with the database, whatever it has lost or kept too long."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import ClassVar
from uuid import UUID

import structlog
from sqlalchemy import text

from nexent_gql.db.session import Database
from nexent_gql.domains.knowledge.index_ids import database_id, index_id
from nexent_gql.domains.knowledge.indexing import DocumentIndexer, IndexOutcome
from nexent_gql.domains.knowledge.model_change_repository import EmbeddingModelChangeRepository
from nexent_gql.domains.knowledge.repository import ChunkRepository, DocumentRepository, KnowledgeBaseRepository
from nexent_gql.domains.knowledge.tables import DocumentVersion
from nexent_gql.jobs.housekeeping import Housekeeping, abandon
from nexent_gql.jobs.lease import Lease
from nexent_gql.jobs.registry import JobHandler
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.errors import DomainError
from nexent_gql.ports.search_index import SearchIndex, VersionState
from nexent_gql.telemetry.jobs import JobMetrics

_BATCH = 200
_TENANTS = text("SELECT DISTINCT tenant_id FROM user_account ORDER BY tenant_id")
_log = structlog.get_logger()


class VerifySearchIndex(Housekeeping):
    """Compares the search index of every tenant with the database, and repairs the index."""

    name: ClassVar[str] = "verify_search_index"


@dataclass(slots=True)
class IndexReport:
    """What was compared and repaired.

    Attributes:
        versions: Versions that searches find.
        stored: Those that were stored again.
        orphans: Versions in the index that belong to nothing; they are deleted.
        failures: Codes of errors by version that could not be stored.
    """

    versions: int = 0
    stored: int = 0
    orphans: int = 0
    failures: dict[UUID, str] = field(default_factory=dict[UUID, str])


async def clear_index(index: SearchIndex, tenant_id: UUID) -> int:
    """Delete everything that an index has of a tenant, which another index serves now; return how many versions.

    Raises:
        UnavailableError: The index does not answer.
    """
    count = 0
    while ids := await index.versions(tenant_id, after=None, limit=_BATCH):
        for version_id in ids:
            await index.delete_version(tenant_id, version_id)
        count += len(ids)
    return count


def _silent(_report: IndexReport) -> None:
    """Ignore progress."""


class SearchIndexRebuilder:
    """Handles `VerifySearchIndex`, and rebuilds the index for operators; both can be interrupted and repeated."""

    def __init__(
        self,
        db: Database,
        index: SearchIndex,
        indexer: DocumentIndexer,
        clock: Clock,
        metrics: JobMetrics | None = None,
    ) -> None:
        self._clock = clock
        self._orphans = (metrics or JobMetrics()).orphans.labels("search_index")
        self._db = db
        self._index = index
        self._indexer = indexer

    @property
    def handler(self) -> JobHandler[VerifySearchIndex]:
        """What the job registry needs."""
        return JobHandler(VerifySearchIndex, self.run, abandon)

    async def run(self, _lease: Lease, _work: VerifySearchIndex) -> None:
        """Repair the index of every tenant.

        Raises:
            UnavailableError: The index does not answer.
        """
        await self._index.check()
        orphans = 0
        for tenant_id in await self.tenants():
            report = await self.rebuild(tenant_id)
            if report.stored or report.orphans or report.failures:
                counts = {"stored": report.stored, "orphans": report.orphans, "failed": len(report.failures)}
                _log.warning("search_index.repaired", tenant_id=str(tenant_id), **counts)
            orphans += report.orphans
        self._orphans.set(orphans)

    async def tenants(self) -> Sequence[UUID]:
        """Return all tenants."""
        async with self._db.system() as session:
            return (await session.scalars(_TENANTS)).all()

    async def rebuild(
        self, tenant_id: UUID, *, is_full: bool = False, progress: Callable[[IndexReport], None] = _silent
    ) -> IndexReport:
        """Store what the index lacks of a tenant, or everything, and delete what belongs to nothing.

        Args:
            tenant_id: Whose documents.
            is_full: Whether versions that the index has are stored again too.
            progress: Is called after each version that was stored, and at the end.

        Raises:
            UnavailableError: The index does not answer.
        """
        report = IndexReport()
        after: UUID | None = None
        while versions := await self._published(tenant_id, after):
            counts, states = await self._compare(tenant_id, versions)
            for version, number in versions:
                report.versions += 1
                count, state = counts.get(version.id, 0), states.get(index_id(version.id, number))
                if count and (is_full or state != VersionState(count, is_live=True)):
                    is_stored = state is not None and state.chunk_count == count and not is_full
                    await self._store(tenant_id, version, report, is_stored=is_stored)
                    progress(report)
            after = versions[-1][0].id
        async with aclosing(self.orphans(tenant_id)) as orphans:
            async for version_id in orphans:
                await self._index.delete_version(tenant_id, version_id)
                report.orphans += 1
        progress(report)
        return report

    async def _store(self, tenant_id: UUID, version: DocumentVersion, report: IndexReport, *, is_stored: bool) -> None:
        """Store a version; one that cannot be stored is left to the next time, so that others are."""
        try:
            outcome = None if is_stored else await self._indexer.put(tenant_id, version.id)
            await self._indexer.publish(tenant_id, version.document_id)
            if outcome is not None:
                await self._record(tenant_id, version.document_id, version.id, outcome)
            report.stored += 1
        except DomainError as error:
            await self._index.check()
            report.failures[version.id] = error.code
            _log.warning("search_index.not_stored", tenant_id=str(tenant_id), id=str(version.id), code=error.code)

    async def _record(self, tenant_id: UUID, document_id: UUID, version_id: UUID, outcome: IndexOutcome) -> None:
        async with self._db.transaction(tenant_id) as session:
            base = await KnowledgeBaseRepository(session, tenant_id).shared(document_id)
            row = await DocumentRepository(session, tenant_id).version(version_id, lock=True)
            if base is not None and row is not None:
                outcome.check(base)
                outcome.record(row, self._clock())

    async def orphans(self, tenant_id: UUID) -> AsyncGenerator[UUID]:
        """Yield versions in the index of a tenant that belong to nothing.

        Raises:
            UnavailableError: The index does not answer.
        """
        after: UUID | None = None
        while ids := await self._index.versions(tenant_id, after=after, limit=_BATCH):
            places = {version_id: database_id(version_id) for version_id in ids}
            async with self._db.read(tenant_id) as session:
                bases = await DocumentRepository(session, tenant_id).used_versions({id_ for id_, _ in places.values()})
                changes = EmbeddingModelChangeRepository(session, tenant_id)
                numbers = await changes.index_numbers(set(bases.values()))
            for version_id, (id_, number) in places.items():
                if id_ not in bases or number not in numbers.get(bases[id_], ()):
                    yield version_id
            after = ids[-1]

    async def _published(self, tenant_id: UUID, after: UUID | None) -> Sequence[tuple[DocumentVersion, int]]:
        async with self._db.read(tenant_id) as session:
            return await DocumentRepository(session, tenant_id).published_versions(after, _BATCH)

    async def _compare(
        self, tenant_id: UUID, versions: Sequence[tuple[DocumentVersion, int]]
    ) -> tuple[Mapping[UUID, int], Mapping[UUID, VersionState]]:
        async with self._db.read(tenant_id) as session:
            counts = await ChunkRepository(session, tenant_id).count_of_versions([it.id for it, _ in versions])
        return counts, await self._index.states(tenant_id, [index_id(it.id, number) for it, number in versions])
