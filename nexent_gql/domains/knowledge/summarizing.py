"""Writes summaries: chooses passages, summarizes groups of them, and joins the results.

Each call of the model is a step whose result is durable, so that a worker that dies costs at most the call in flight.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from nexent_gql.domains.knowledge.event_log import record_events
from nexent_gql.domains.knowledge.events import summary_changed, summary_text_added
from nexent_gql.domains.knowledge.failures import WorkFailedError, translate_failures
from nexent_gql.domains.knowledge.jobs import SummarizeKnowledgeBase
from nexent_gql.domains.knowledge.repository import ChunkRepository, KnowledgeBaseRepository
from nexent_gql.domains.knowledge.summary_plan import PlannedSummary, SummaryPlan, SummaryPlanner, passage_text
from nexent_gql.domains.knowledge.summary_prompts import (
    MAP_OUTPUT_TOKENS,
    REDUCE_OUTPUT_TOKENS,
    map_messages,
    reduce_messages,
)
from nexent_gql.domains.knowledge.summary_repository import SummaryRepository
from nexent_gql.domains.knowledge.summary_tables import (
    UNFINISHED_SUMMARIES,
    KnowledgeSummary,
    SummaryStage,
    SummaryState,
)
from nexent_gql.domains.knowledge.tables import Chunk, KnowledgeBase
from nexent_gql.domains.models.completion import stream_answer, whole_answer
from nexent_gql.domains.models.open_routes import RouteChoice, open_choice
from nexent_gql.domains.models.service import ModelService
from nexent_gql.jobs.lease import Lease
from nexent_gql.jobs.registry import JobHandler
from nexent_gql.jobs.tables import JobState
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.json import JsonObject
from nexent_gql.kernel.text import has_visible, visible_text
from nexent_gql.ports.llm import CallAttribution, ChatMessage, ChatRequest, ModelKind
from nexent_gql.ports.llm_routes import ModelRoute, RoutedModels

MAX_SUMMARY_CHARS = 10_000
MAX_PART_CHARS = 6_000
_MAX_CALL_S = 300.0
_PLAN = "plan"


class _EndedError(Exception):
    """The summary was cancelled, or its base deleted."""


class KnowledgeSummarizer:
    """Handles `SummarizeKnowledgeBase`.

    Args:
        models: Finds the endpoint of the model.
        llm: All chat models.
        planner: Chooses what the model reads.
        clock: The current time.
        flush_s: Seconds between two additions to the text that readers see.
    """

    def __init__(
        self, models: ModelService, llm: RoutedModels, planner: SummaryPlanner, clock: Clock, *, flush_s: float = 1.0
    ) -> None:
        self._models = models
        self._llm = llm
        self._planner = planner
        self._clock = clock
        self._flush_s = flush_s

    @property
    def handler(self) -> JobHandler[SummarizeKnowledgeBase]:
        """What the job registry needs."""
        return JobHandler(SummarizeKnowledgeBase, self.run, self.abandon)

    async def run(self, lease: Lease, work: SummarizeKnowledgeBase) -> None:
        """Write the summary, or note why there is none."""
        if lease.cancelled is not None:
            return
        try:
            summary = await self._update(lease, work, _begin)
            await self._write(lease, work, summary)
        except _EndedError:
            return
        except WorkFailedError as error:
            await self._fail(lease, work, error)

    async def abandon(self, lease: Lease, work: SummarizeKnowledgeBase) -> None:
        """Note that there is no summary; its user may ask for another one."""
        message = "Writing the summary failed repeatedly. Try again; if that fails too, ask your administrator."
        await self._fail(lease, work, WorkFailedError("SUMMARY_FAILED", message, retryable=True))

    async def _write(self, lease: Lease, work: SummarizeKnowledgeBase, summary: KnowledgeSummary) -> None:
        steps = await lease.steps()
        async with translate_failures(lease, work, "SUMMARY_TIMEOUT"):
            async with lease.db.read(lease.tenant_id) as session:
                choice = RouteChoice(ModelKind.CHAT, summary.model_id)
                route = await open_choice(session, lease.tenant_id, self._models, choice, str(summary.id))
                base = await KnowledgeBaseRepository(session, lease.tenant_id).get(work.knowledge_base_id)
            plan = await self._plan(lease, work, summary, route, steps)
            parts: list[str] = []
            for number, group in enumerate(plan.groups):
                passages = await _passages(lease, summary, group)
                if len(plan.groups) == 1:
                    parts = passages
                    break
                parts.append(await self._map(lease, work, route, passages, _Step(number, plan, summary, steps)))
            texts = [part for part in parts if has_visible(part)]
            if base is None or not texts:
                message = "There is nothing to summarize: add documents, and wait until they are READY."
                raise WorkFailedError("NOTHING_TO_SUMMARIZE", message)
            await self._reduce(lease, work, route, summary, reduce_messages(base.name, texts, plan.language))

    async def _plan(
        self,
        lease: Lease,
        work: SummarizeKnowledgeBase,
        summary: KnowledgeSummary,
        route: ModelRoute,
        steps: Mapping[str, JsonObject],
    ) -> SummaryPlan:
        if _PLAN in steps:
            return SummaryPlan.from_json(steps[_PLAN])
        planned = await self._planner.plan(summary, route.profile)

        def describe(row: KnowledgeSummary) -> None:
            _describe(row, planned)

        await self._update(lease, work, describe)
        await lease.record(_PLAN, planned.plan.to_json())
        return planned.plan

    async def _map(
        self, lease: Lease, work: SummarizeKnowledgeBase, route: ModelRoute, passages: Sequence[str], step: "_Step"
    ) -> str:
        """Return the summary of a group; "" if nothing of it can be read any more."""
        if step.name in step.results:
            return str(step.results[step.name]["text"])
        text = ""
        if passages:
            messages = map_messages(passages, step.plan.language)
            request = _request(lease, step.summary, messages, MAP_OUTPUT_TOKENS)
            async with asyncio.timeout(_MAX_CALL_S):
                answer = await whole_answer(self._llm, route, request, max_chars=MAX_PART_CHARS)
            text = visible_text(answer.text)[:MAX_PART_CHARS].strip()
        await lease.record(step.name, {"text": text})

        def progress(row: KnowledgeSummary) -> None:
            row.done_calls = step.number + 1
            if row.done_calls == len(step.plan.groups):
                row.stage = SummaryStage.REDUCE

        await self._update(lease, work, progress)
        return text

    async def _reduce(
        self,
        lease: Lease,
        work: SummarizeKnowledgeBase,
        route: ModelRoute,
        summary: KnowledgeSummary,
        messages: tuple[ChatMessage, ...],
    ) -> None:
        request = _request(lease, summary, messages, REDUCE_OUTPUT_TOKENS)
        is_whole, text, stored_at = False, "", time.monotonic()
        answers = stream_answer(self._llm, route, request, max_chars=MAX_SUMMARY_CHARS)
        async with asyncio.timeout(_MAX_CALL_S), aclosing(answers):
            async for answer in answers:
                is_whole = answer.is_whole
                if answer.end_reason is None and time.monotonic() < stored_at + self._flush_s:
                    continue
                text = visible_text(answer.text).lstrip()
                if answer.end_reason is None and text:
                    await self._store(lease, work, text)
                    stored_at = time.monotonic()
        if not is_whole or not has_visible(text):
            message = "The model's answer was empty or not whole. Try again, or choose another model."
            raise WorkFailedError("ANSWER_INCOMPLETE", message, retryable=True)
        await self._finish(lease, work, text.rstrip())

    async def _store(self, lease: Lease, work: SummarizeKnowledgeBase, text: str) -> None:
        async with lease.transaction() as session:
            base, row = await _lock(session, lease, work)
            start = _replace_content(row, text)
            await record_events(session, base, self._clock(), summary_text_added(row, start))

    async def _update(
        self, lease: Lease, work: SummarizeKnowledgeBase, change: Callable[[KnowledgeSummary], None]
    ) -> KnowledgeSummary:
        async with lease.transaction() as session:
            base, row = await _lock(session, lease, work)
            change(row)
            await record_events(session, base, self._clock(), summary_changed(row))
        return row

    async def _finish(self, lease: Lease, work: SummarizeKnowledgeBase, text: str) -> None:
        """Let the summary take the place of the earlier one."""
        async with lease.final_transaction(JobState.DONE) as session:
            base, row = await _lock(session, lease, work)
            size = len(row.content)
            start = _replace_content(row, text)
            await SummaryRepository(session, lease.tenant_id).delete_finished(base.id, keep_ready=False)
            row.state, row.done_calls, row.finished_at = SummaryState.READY, row.planned_calls, self._clock()
            texts = [summary_text_added(row, start)] if start == 0 or len(text) > size else []
            await record_events(session, base, self._clock(), *texts, summary_changed(row))

    async def _fail(self, lease: Lease, work: SummarizeKnowledgeBase, error: WorkFailedError) -> None:
        async with lease.final_transaction(JobState.DONE) as session:
            try:
                base, row = await _lock(session, lease, work)
            except _EndedError:
                return
            row.state, row.code, row.message = SummaryState.FAILED, error.code, error.message
            row.is_retryable, row.finished_at = error.retryable, self._clock()
            row.content = ""
            await record_events(session, base, self._clock(), summary_changed(row))


class _Step:
    """A call of the model for one group, and the results of earlier attempts."""

    def __init__(
        self, number: int, plan: SummaryPlan, summary: KnowledgeSummary, results: Mapping[str, JsonObject]
    ) -> None:
        self.number = number
        self.name = f"map:{number}"
        self.plan = plan
        self.summary = summary
        self.results = results


async def _lock(
    session: AsyncSession, lease: Lease, work: SummarizeKnowledgeBase
) -> tuple[KnowledgeBase, KnowledgeSummary]:
    """Lock a summary that is being written.

    Raises:
        _EndedError: It is not written any more.
    """
    row = await SummaryRepository(session, lease.tenant_id).get(work.summary_id, lock=True)
    base = await KnowledgeBaseRepository(session, lease.tenant_id).get(work.knowledge_base_id)
    if base is None or row is None or row.state not in UNFINISHED_SUMMARIES:
        raise _EndedError
    return base, row


async def _passages(lease: Lease, summary: KnowledgeSummary, ids: Sequence[UUID]) -> list[str]:
    """Return what the user of a summary can read now of passages, in their order."""
    async with lease.db.read(lease.tenant_id) as session:
        repository = ChunkRepository(session, lease.tenant_id)
        rows = await repository.readable(summary.requested_by, ids, is_enabled=True)
    by_id: Mapping[UUID, Chunk] = {row.id: row for row in rows}
    return [passage_text(by_id[chunk_id]) for chunk_id in ids if chunk_id in by_id]


def _request(
    lease: Lease, summary: KnowledgeSummary, messages: tuple[ChatMessage, ...], max_output_tokens: int
) -> ChatRequest:
    attribution = CallAttribution(lease.tenant_id, summary.requested_by, "SUMMARY")
    return ChatRequest(messages, max_output_tokens=max_output_tokens, attribution=attribution)


def _begin(row: KnowledgeSummary) -> None:
    row.state = SummaryState.RUNNING


def _describe(row: KnowledgeSummary, planned: PlannedSummary) -> None:
    plan = planned.plan
    row.revision, row.grouping = planned.revision, plan.grouping
    row.document_ids, row.document_count = list(planned.document_ids), planned.document_count
    row.chunk_count, row.group_count = planned.chunk_count, len(plan.groups)
    row.read_chunk_count = sum(map(len, plan.groups))
    row.planned_calls, row.done_calls = plan.call_count, 0
    row.stage = SummaryStage.MAP if len(plan.groups) > 1 else SummaryStage.REDUCE


def _replace_content(row: KnowledgeSummary, text: str) -> int:
    """Set the text, and return from where on it is new: 0 if it does not continue what was there."""
    start = len(row.content)
    if not text.startswith(row.content):
        start = 0
        row.restarts += 1
    row.content = text
    return start
