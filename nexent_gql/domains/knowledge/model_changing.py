"""Builds the index of a changed embedding model beside the one that searches use, and switches to it when complete."""

import time
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from nexent_gql.domains.knowledge.embedding import KnowledgeEmbedder, route_identity
from nexent_gql.domains.knowledge.errors import EmbeddingModelGoneError, IndexIncompleteError
from nexent_gql.domains.knowledge.index_ids import index_id
from nexent_gql.domains.knowledge.indexing import INDEX_FORMAT, DocumentIndexer
from nexent_gql.domains.knowledge.jobs import ChangeEmbeddingModel, CleanUpModelChange
from nexent_gql.domains.knowledge.model_change_repository import EmbeddingModelChangeRepository, IndexEntryRepository
from nexent_gql.domains.knowledge.model_change_tables import (
    RUNNING_CHANGES,
    EmbeddingModelChange,
    EmbeddingModelChangeState,
    IndexEntry,
)
from nexent_gql.domains.knowledge.model_changes import CLEAN_UP_DELAY_S, enqueue_clean_up, enqueue_step, record_change
from nexent_gql.domains.knowledge.repository import ChunkRepository, DocumentRepository, KnowledgeBaseRepository
from nexent_gql.domains.knowledge.tables import EmbeddingChoice, KnowledgeBase
from nexent_gql.jobs.lease import Lease
from nexent_gql.jobs.registry import JobHandler
from nexent_gql.jobs.tables import JobState
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.errors import DomainError, ProviderUnavailableError, UnavailableError
from nexent_gql.kernel.together import all_ended
from nexent_gql.ports.search_index import SearchIndex, VersionNotIndexedError

_CONCURRENCY = 4
_STEP_S = 30.0
"""After so many seconds the next job goes on, so that other jobs of the queue get their turn."""
_REPORT_S = 2.0
"""Seconds between two events of progress."""
_BATCH = 500
_MAX_LOSSES = 3
_FIRST = UUID(int=0)
_log = structlog.get_logger()
State = EmbeddingModelChangeState


class EmbeddingModelChanger:
    """Handles `ChangeEmbeddingModel` and `CleanUpModelChange`.

    Args:
        indexer: Puts documents into indexes.
        index: What it puts them into.
        embedder: Says which model is used.
        clock: The time.
        revert_s: How long a change can be reverted, in seconds.
    """

    def __init__(
        self,
        indexer: DocumentIndexer,
        index: SearchIndex,
        embedder: KnowledgeEmbedder,
        clock: Clock,
        *,
        revert_s: float,
    ) -> None:
        self._indexer = indexer
        self._index = index
        self._embedder = embedder
        self._clock = clock
        self._revert_s = revert_s

    @property
    def handlers(self) -> tuple[JobHandler[ChangeEmbeddingModel], JobHandler[CleanUpModelChange]]:
        """What the job registry needs."""
        return (
            JobHandler(ChangeEmbeddingModel, self.run, self.abandon),
            JobHandler(CleanUpModelChange, self.clean_up, self.abandon_clean_up),
        )

    async def run(self, lease: Lease, work: ChangeEmbeddingModel) -> None:
        """Put what the new index lacks or, if it lacks nothing, switch to it."""
        is_last_attempt = work.retry.is_exhausted(lease.failures + 1, 0)
        try:
            identity, is_complete = await self._put_missing(lease, work)
        except DomainError as error:
            is_own_outage = isinstance(error, UnavailableError) and not isinstance(error, ProviderUnavailableError)
            if is_own_outage or (error.retryable and not is_last_attempt):
                raise
            await self._fail(lease, work, error.code, error.message, is_retryable=error.retryable)
            return
        await self._finish_step(lease, work, identity, is_complete=is_complete)

    async def abandon(self, lease: Lease, work: ChangeEmbeddingModel) -> None:
        """Fail the change; its user may start it again."""
        message = "The change failed repeatedly. Try again; if that fails too, ask your administrator."
        await self._fail(lease, work, "EMBEDDING_MODEL_CHANGE_FAILED", message, is_retryable=True)

    async def _put_missing(self, lease: Lease, work: ChangeEmbeddingModel) -> tuple[str | None, bool]:
        """Put documents for a while; return the model's identity, and whether the index has all that searches find.

        Raises:
            DomainError: The model or the index failed.
        """
        identity, losses, deadline = None, 0, time.monotonic() + _STEP_S
        report_at = 0.0
        while time.monotonic() < deadline:
            async with lease.db.read(lease.tenant_id) as session:
                base, change = await _load(session, lease, work)
            if base is None or change is None or change.target is None:
                break
            number, choice = change.target
            identity = await self._identity(lease.tenant_id, choice)
            async with lease.db.read(lease.tenant_id) as session:
                entries = IndexEntryRepository(session, base, number)
                documents = await entries.stale(INDEX_FORMAT, identity, _CONCURRENCY)
            await all_ended(self._put(lease, base, number, document) for document in documents)
            if documents and time.monotonic() >= report_at:
                await self._report(lease, work)
                report_at = time.monotonic() + _REPORT_S
            if not documents and not await self._delete_lost_entries(lease, base, number):
                return identity, True
            losses += not documents
            if losses > _MAX_LOSSES:
                raise IndexIncompleteError
        return identity, False

    async def _report(self, lease: Lease, work: ChangeEmbeddingModel) -> None:
        """Tell readers of the base's events how far the change is."""
        async with lease.transaction() as session:
            base, change = await _load(session, lease, work, lock=True)
            if base is not None and change is not None and change.target is not None:
                await record_change(session, base, change, self._clock())

    async def _identity(self, tenant_id: UUID, choice: EmbeddingChoice) -> str | None:
        route = await self._embedder.route(tenant_id, choice)
        named_id = choice.model_id or choice.route_id
        if route is None and named_id is not None:
            raise EmbeddingModelGoneError(named_id)
        return None if route is None else route_identity(route)

    async def _put(self, lease: Lease, base: KnowledgeBase, number: int, document: tuple[UUID, UUID]) -> None:
        document_id, version_id = document
        outcome = await self._indexer.put(lease.tenant_id, version_id, number=number, needs_vectors=True)
        if outcome.target is None:
            return  # deleted, superseded or cancelled meanwhile
        try:
            await self._indexer.publish(lease.tenant_id, document_id, number=number)
        except VersionNotIndexedError:
            return  # likewise
        async with lease.transaction() as session:
            if await DocumentRepository(session, lease.tenant_id).version(version_id, lock=True) is not None:
                entry = IndexEntry(
                    version_id=version_id,
                    index_number=number,
                    tenant_id=lease.tenant_id,
                    knowledge_base_id=base.id,
                )
                outcome.record(entry, self._clock())
                await session.merge(entry)

    async def _delete_lost_entries(self, lease: Lease, base: KnowledgeBase, number: int) -> bool:
        """Compare the index with what was put into it; say whether it has lost anything, which is then put again."""
        after, has_lost = _FIRST, False
        async with lease.db.read(lease.tenant_id) as session:
            while version_ids := await IndexEntryRepository(session, base, number).present(after, _BATCH):
                counts = await ChunkRepository(session, lease.tenant_id).count_of_versions(version_ids)
                ids = {id_: index_id(id_, number) for id_ in version_ids}
                states = await self._index.states(lease.tenant_id, list(ids.values()))
                lost = [
                    id_
                    for id_, key in ids.items()
                    if (state := states.get(key)) is None or not state.is_live or state.chunk_count != counts.get(id_)
                ]
                if lost:
                    has_lost = True
                    async with lease.transaction() as writer:
                        await IndexEntryRepository(writer, base, number).delete(lost)
                after = version_ids[-1]
        return has_lost

    async def _finish_step(
        self, lease: Lease, work: ChangeEmbeddingModel, identity: str | None, *, is_complete: bool
    ) -> None:
        async with lease.final_transaction(JobState.DONE) as session:
            base, change = await _load(session, lease, work, lock=True)
            if base is None or change is None or change.target is None:
                return
            number, choice = change.target
            entries = IndexEntryRepository(session, base, number)
            if not is_complete or await entries.stale(INDEX_FORMAT, identity, 1):
                await enqueue_step(session, change)
                return
            await entries.exchange(base.index_number)
            base.index_number, base.embedding, base.updated_at = number, choice, self._clock()
            base.index_revision += 1
            await self._end(session, change)
            await record_change(session, base, change, self._clock())

    async def _end(self, session: AsyncSession, change: EmbeddingModelChange) -> None:
        now = self._clock()
        if change.state == State.EMBEDDING:
            change.state, change.switched_at = State.SWITCHED, now
            change.revertible_until = now + timedelta(seconds=self._revert_s)
            await enqueue_clean_up(session, change, self._revert_s)
        else:
            change.state, change.finished_at = State.REVERTED, now
            await enqueue_clean_up(session, change, CLEAN_UP_DELAY_S)

    async def _fail(
        self, lease: Lease, work: ChangeEmbeddingModel, code: str, message: str, *, is_retryable: bool
    ) -> None:
        _log.warning("knowledge.model_change_failed", change_id=str(work.change_id), code=code)
        async with lease.final_transaction(JobState.DONE) as session:
            base, change = await _load(session, lease, work, lock=True)
            if base is None or change is None or change.state not in RUNNING_CHANGES:
                return
            change.code, change.message, change.is_retryable = code, message, is_retryable
            if change.state == State.REVERTING:
                change.state = State.SWITCHED
            else:
                change.state, change.finished_at = State.FAILED, self._clock()
                await enqueue_clean_up(session, change, CLEAN_UP_DELAY_S)
            await record_change(session, base, change, self._clock())

    async def clean_up(self, lease: Lease, work: CleanUpModelChange) -> None:
        """Complete a change whose time for a revert is over, and delete the index that it no longer needs."""
        async with lease.transaction() as session:
            base, change = await _load(session, lease, work, lock=True)
            if base is None or change is None or change.is_cleaned:
                return
            if change.state in RUNNING_CHANGES:
                await enqueue_clean_up(session, change, CLEAN_UP_DELAY_S)
                return
            if change.state == State.SWITCHED:
                change.state, change.finished_at = State.COMPLETED, self._clock()
                await record_change(session, base, change, self._clock())
            is_completed = change.state == State.COMPLETED
            number = change.previous_index_number if is_completed else change.index_number
        await self._index.delete_base(lease.tenant_id, index_id(base.id, number))
        async with lease.final_transaction(JobState.DONE) as session:
            base, change = await _load(session, lease, work, lock=True)
            if base is not None and change is not None:
                await IndexEntryRepository(session, base, number).delete()
                change.is_cleaned = True

    async def abandon_clean_up(self, lease: Lease, work: CleanUpModelChange) -> None:
        """Try again later: the index has to be deleted some time."""
        async with lease.final_transaction(JobState.DEAD) as session:
            _, change = await _load(session, lease, work, lock=True)
            if change is not None:
                await enqueue_clean_up(session, change, 3_600)


async def _load(
    session: AsyncSession, lease: Lease, work: ChangeEmbeddingModel | CleanUpModelChange, *, lock: bool = False
) -> tuple[KnowledgeBase | None, EmbeddingModelChange | None]:
    """Return base and change; None where they are deleted, and no change for a step that another one has replaced."""
    bases = KnowledgeBaseRepository(session, lease.tenant_id)
    base = await (bases.locked(work.knowledge_base_id) if lock else bases.get(work.knowledge_base_id))
    change = await EmbeddingModelChangeRepository(session, lease.tenant_id).get(work.change_id, lock=lock)
    is_replaced = change is not None and isinstance(work, ChangeEmbeddingModel) and change.step != work.step
    return base, None if is_replaced else change
