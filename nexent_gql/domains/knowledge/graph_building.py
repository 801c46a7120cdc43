"""Reads passages for knowledge graphs; the result of a call is durable before others are begun."""

import asyncio
from collections.abc import Sequence
from hashlib import md5

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from nexent_gql.domains.knowledge.event_log import record_events
from nexent_gql.domains.knowledge.events import graph_changed
from nexent_gql.domains.knowledge.failures import WorkFailedError, translate_failures
from nexent_gql.domains.knowledge.graph_facts import Facts, MalformedAnswerError, read_answer
from nexent_gql.domains.knowledge.graph_prompts import graph_messages
from nexent_gql.domains.knowledge.graph_repository import GraphRepository
from nexent_gql.domains.knowledge.graph_requests import enqueue_reading
from nexent_gql.domains.knowledge.graph_tables import KnowledgeGraph
from nexent_gql.domains.knowledge.jobs import ExtendKnowledgeGraph
from nexent_gql.domains.knowledge.repository import ChunkRepository, KnowledgeBaseRepository
from nexent_gql.domains.knowledge.tables import Chunk, KnowledgeBase
from nexent_gql.domains.models.completion import PartialAnswer, whole_answer
from nexent_gql.domains.models.open_routes import RouteChoice, open_choice
from nexent_gql.domains.models.service import ModelService
from nexent_gql.jobs.lease import Lease
from nexent_gql.jobs.registry import JobHandler
from nexent_gql.jobs.tables import JobState
from nexent_gql.kernel.clock import Clock
from nexent_gql.ports.llm import CallAttribution, ChatRequest, ModelKind
from nexent_gql.ports.llm_routes import ModelRoute, RoutedModels

MAX_BATCH_PASSAGES = 5
MAX_BATCH_CHARS = 6_000
"""Of the passages of one call; a longer passage has a call of its own."""
MAX_PASSAGE_CHARS = 12_000
"""The rest of a longer passage is not read."""
CALLS_AT_ONCE = 4
MAX_ROUNDS = 8
"""So many times calls are made at once; then another job goes on, so that other users have their turn."""
MAX_OUTPUT_TOKENS = 8_000
_MAX_ANSWER_CHARS = 60_000
_MAX_CALL_S = 300.0
_DELETE_BATCH = 2_000
_log = structlog.get_logger()


class _EndedError(Exception):
    """The graph or its base was deleted."""


class KnowledgeGraphBuilder:
    """Handles `ExtendKnowledgeGraph`.

    Args:
        models: Finds the endpoint of the model.
        llm: All chat models.
        clock: The current time.
        max_rounds: See `MAX_ROUNDS`.
    """

    def __init__(self, models: ModelService, llm: RoutedModels, clock: Clock, *, max_rounds: int = MAX_ROUNDS) -> None:
        self._models = models
        self._llm = llm
        self._clock = clock
        self._max_rounds = max_rounds

    @property
    def handler(self) -> JobHandler[ExtendKnowledgeGraph]:
        """What the job registry needs."""
        return JobHandler(ExtendKnowledgeGraph, self.run, self.abandon)

    async def run(self, lease: Lease, work: ExtendKnowledgeGraph) -> None:
        """Read passages that were not read, or note why that stops."""
        if lease.cancelled is not None:
            return
        try:
            graph = await self._begin(lease, work)
            is_done = await self._read_rounds(lease, work, graph)
            await self._finish(lease, work, is_done=is_done)
        except _EndedError:
            return
        except WorkFailedError as error:
            await self._stop(lease, work, error)

    async def abandon(self, lease: Lease, work: ExtendKnowledgeGraph) -> None:
        """Note that reading stopped; `buildKnowledgeGraph` goes on."""
        message = "Reading failed repeatedly. Try again; if that fails too, ask your administrator."
        await self._stop(lease, work, WorkFailedError("GRAPH_FAILED", message, retryable=True))

    async def _begin(self, lease: Lease, work: ExtendKnowledgeGraph) -> KnowledgeGraph:
        async with lease.transaction() as session:
            base, graph = await _lock(session, lease, work)
            if graph.job_id == lease.job_id:
                graph.job_id = None
            if graph.code is not None:
                graph.code = graph.message = None
                await self._record(session, base, graph)
        while await self._delete_unsupported(lease, work) == _DELETE_BATCH:
            continue
        return graph

    async def _delete_unsupported(self, lease: Lease, work: ExtendKnowledgeGraph) -> int:
        async with lease.transaction() as session:
            repository = GraphRepository(session, lease.tenant_id)
            return await repository.delete_unsupported(work.knowledge_base_id, _DELETE_BATCH)

    async def _read_rounds(self, lease: Lease, work: ExtendKnowledgeGraph, graph: KnowledgeGraph) -> bool:
        """Return whether no passage is left."""
        route: ModelRoute | None = None
        for _ in range(self._max_rounds):
            batches = await self._next_batches(lease, graph)
            if not batches:
                return True
            async with translate_failures(lease, work, "GRAPH_TIMEOUT"):
                if route is None:
                    async with lease.db.read(lease.tenant_id) as session:
                        choice = RouteChoice(ModelKind.CHAT, graph.model_id)
                        route = await open_choice(session, lease.tenant_id, self._models, choice, str(graph.id))
                calls = [self._read(lease, work, graph, route, batch) for batch in batches]
                outcomes = await asyncio.gather(*calls, return_exceptions=True)
                for outcome in outcomes:
                    if outcome is not None:
                        raise outcome
            async with lease.transaction() as session:
                await self._record(session, *await _lock(session, lease, work))
        return False

    async def _next_batches(self, lease: Lease, graph: KnowledgeGraph) -> list[list[Chunk]]:
        """Return passages that were not read and that the user of a graph can read, those of each call together."""
        async with lease.db.read(lease.tenant_id) as session:
            most = MAX_BATCH_PASSAGES * CALLS_AT_ONCE
            ids = await GraphRepository(session, lease.tenant_id).unread(graph.knowledge_base_id, most)
            rows = await ChunkRepository(session, lease.tenant_id).readable(graph.requested_by, ids, is_enabled=True)
            bases = await KnowledgeBaseRepository(session, lease.tenant_id).readable(
                graph.requested_by, [graph.knowledge_base_id]
            )
        if ids and not bases:
            message = "Whoever asked for the graph can no longer read the knowledge base. Build it again."
            raise WorkFailedError("GRAPH_REQUESTER_LOST_ACCESS", message, retryable=True)
        by_id = {row.id: row for row in rows}
        return _batches([by_id[chunk_id] for chunk_id in ids if chunk_id in by_id])[:CALLS_AT_ONCE]

    async def _read(
        self,
        lease: Lease,
        work: ExtendKnowledgeGraph,
        graph: KnowledgeGraph,
        route: ModelRoute,
        chunks: Sequence[Chunk],
    ) -> None:
        """Read passages in one call; if its answer can't be used, read each passage by itself."""
        attribution = CallAttribution(lease.tenant_id, graph.requested_by, "GRAPH")
        messages = graph_messages([chunk.content[:MAX_PASSAGE_CHARS] for chunk in chunks])
        request = ChatRequest(messages, max_output_tokens=MAX_OUTPUT_TOKENS, attribution=attribution)
        async with asyncio.timeout(_MAX_CALL_S):
            answer = await whole_answer(self._llm, route, request, max_chars=_MAX_ANSWER_CHARS)
        facts = _facts(answer, chunks)
        if facts is None and len(chunks) > 1:
            for chunk in chunks:
                await self._read(lease, work, graph, route, [chunk])
            return
        if facts is None:
            _log.info("knowledge.graph_answer_malformed", chunk_id=str(chunks[0].id), end_reason=answer.end_reason)
        code = "ANSWER_MALFORMED" if facts is None else None
        async with lease.transaction() as session:
            await _lock(session, lease, work, graph)
            repository = GraphRepository(session, lease.tenant_id)
            for chunk, each in zip(chunks, facts or [Facts()], strict=True):
                content_hash = md5(chunk.content.encode(), usedforsecurity=False).hexdigest()
                await repository.store(graph, chunk.document_id, content_hash, each, code)

    async def _finish(self, lease: Lease, work: ExtendKnowledgeGraph, *, is_done: bool) -> None:
        async with lease.final_transaction(JobState.DONE) as session:
            base, graph = await _lock(session, lease, work)
            if not is_done:
                await enqueue_reading(session, graph)
            await self._record(session, base, graph)

    async def _stop(self, lease: Lease, work: ExtendKnowledgeGraph, error: WorkFailedError) -> None:
        async with lease.final_transaction(JobState.DONE) as session:
            try:
                base, graph = await _lock(session, lease, work)
            except _EndedError:
                return
            graph.code, graph.message, graph.is_retryable = error.code, error.message, error.retryable
            await self._record(session, base, graph)

    async def _record(self, session: AsyncSession, base: KnowledgeBase, graph: KnowledgeGraph) -> None:
        await session.flush()
        counts = (await GraphRepository(session, graph.tenant_id).counts([base.id])).get(base.id)
        await record_events(session, base, self._clock(), graph_changed(graph, counts))


async def _lock(
    session: AsyncSession, lease: Lease, work: ExtendKnowledgeGraph, same: KnowledgeGraph | None = None
) -> tuple[KnowledgeBase, KnowledgeGraph]:
    """Lock the graph of a base, so that it is not deleted.

    Raises:
        _EndedError: It was deleted, or is not the `same` any more.
    """
    base = await KnowledgeBaseRepository(session, lease.tenant_id).get(work.knowledge_base_id)
    graph = await GraphRepository(session, lease.tenant_id).of_base(work.knowledge_base_id, lock=True)
    if base is None or graph is None or (same is not None and graph.id != same.id):
        raise _EndedError
    return base, graph


def _facts(answer: PartialAnswer, chunks: Sequence[Chunk]) -> list[Facts] | None:
    """Return the facts of each passage; None if the answer can't be used."""
    if not answer.is_whole:
        return None
    try:
        return read_answer(answer.text, [chunk.content for chunk in chunks])
    except MalformedAnswerError:
        return None


def _batches(chunks: Sequence[Chunk]) -> list[list[Chunk]]:
    """Divide passages into those of one call each, at least one."""
    batches: list[list[Chunk]] = []
    size_chars = 0
    for chunk in chunks:
        size_chars += len(chunk.content)
        if not batches or len(batches[-1]) == MAX_BATCH_PASSAGES or size_chars > MAX_BATCH_CHARS:
            batches.append([])
            size_chars = len(chunk.content)
        batches[-1].append(chunk)
    return batches
