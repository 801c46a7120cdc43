"""Executes runs in workers: prepares the engine, writes the events and ends the run."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import cast

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from nexent_gql.db.session import DatabaseUnavailableError
from nexent_gql.domains.conversations import events as conversation_events
from nexent_gql.domains.conversations.tables import TitleSource
from nexent_gql.domains.conversations.topics import run_topic
from nexent_gql.domains.conversations.writer import ConversationWriter
from nexent_gql.domains.models.service import ModelService
from nexent_gql.domains.models.usage import run_account
from nexent_gql.domains.runs import events
from nexent_gql.domains.runs.answer import answer_text
from nexent_gql.domains.runs.attachment_loader import AttachmentLoader
from nexent_gql.domains.runs.citations import citations_of
from nexent_gql.domains.runs.errors import RunDeadlineError, WorkerLostError
from nexent_gql.domains.runs.execution import Execution
from nexent_gql.domains.runs.frozen_route import open_route
from nexent_gql.domains.runs.history import turn_of
from nexent_gql.domains.runs.jobs import ExecuteRun, GenerateTitle
from nexent_gql.domains.runs.repository import RunRepository, TenantRunRepository
from nexent_gql.domains.runs.spec import frozen_tools
from nexent_gql.domains.runs.stopping import close_run, storable
from nexent_gql.domains.runs.tables import Run, RunStatus
from nexent_gql.domains.tools.service import ToolService
from nexent_gql.jobs.enqueue import enqueue
from nexent_gql.jobs.lease import CancelReason, Lease, LeaseLostError
from nexent_gql.jobs.registry import JobHandler
from nexent_gql.jobs.tables import JobState
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.errors import DomainError, UnavailableError
from nexent_gql.kernel.json import JsonObject
from nexent_gql.kernel.money import usd_text
from nexent_gql.ports.engine import AgentEngine, AgentKind, RunFailedError, RunSpec
from nexent_gql.ports.events import EventLog, StaleAttemptError
from nexent_gql.ports.llm import ModelError
from nexent_gql.ports.run_events import AttemptStarted, RunFinished
from nexent_gql.ports.tools import UTC_ZONE, RunContext
from nexent_gql.streams.sink import RunSink, SinkSettings, open_sink
from nexent_gql.telemetry import traced

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ExecutorSettings:
    """Bounds of one attempt."""

    deadline_s: float = 1_800
    sink: SinkSettings = field(default_factory=SinkSettings)


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A run before this attempt, with the specification for the engine, or how it ends without the engine."""

    run: Run
    plan: RunSpec | RunFinished


class RunExecutor:
    """Handles `ExecuteRun` jobs."""

    def __init__(
        self,
        log: EventLog,
        engine: AgentEngine,
        models: ModelService,
        tools: ToolService,
        clock: Clock,
        settings: ExecutorSettings,
        attachments: AttachmentLoader | None = None,
    ) -> None:
        self._log = log
        self._engine = engine
        self._models = models
        self._tools = tools
        self._clock = clock
        self._settings = settings
        self._attachments = attachments

    @property
    def handler(self) -> JobHandler[ExecuteRun]:
        """The registration of this handler."""
        return JobHandler(ExecuteRun, self.run, self.abandon)

    async def run(self, lease: Lease, work: ExecuteRun) -> None:
        """Execute a run, continuing where an earlier attempt stopped; ends the run unless the worker shuts down."""
        await self._attempt(lease, work, None)

    async def abandon(self, lease: Lease, work: ExecuteRun) -> None:
        """End a run as FAILED without trying it again."""
        await self._attempt(
            lease, work, WorkerLostError("The workers that executed this run died; retry the run later.")
        )

    async def _attempt(self, lease: Lease, work: ExecuteRun, verdict: DomainError | None) -> None:
        execution = Execution(lease, await lease.steps())
        attempt = await self._begin(lease, work, verdict)
        if attempt is None:
            return
        facts = {
            "gen_ai.operation.name": "invoke_agent",
            "nexent.run_id": str(attempt.run.id),
            "nexent.attempt": lease.fence,
        }
        with traced("invoke_agent", facts, attempt.run.traceparent):
            await self._run_attempt(lease, attempt, execution)

    async def _run_attempt(self, lease: Lease, attempt: _Attempt, execution: Execution) -> None:
        run = attempt.run
        topic = run_topic(lease.tenant_id, run.id)
        try:
            async with open_sink(
                self._log,
                topic,
                lease.fence,
                clock=self._clock,
                floor_seq=execution.floor_seq if run.attempt else None,
                settings=self._settings.sink,
                on_stale=execution.on_stale,
                confirm=lambda: _check_lease(lease),
            ) as sink:
                execution.sink = sink
                sink.emit(AttemptStarted(attempt=lease.fence, text=self._engine.recorded_text(execution.journal)))
                ending = await self._execute(lease, attempt.plan, execution)
                await self._end(lease, run, sink, ending, execution.journal)
        except StaleAttemptError as error:
            raise LeaseLostError(error.message) from error
        finally:
            execution.sink = None  # it refers to `on_stale`: without the cycle all events of the run are freed at once

    async def _begin(self, lease: Lease, work: ExecuteRun, verdict: DomainError | None) -> _Attempt | None:
        """Mark the run as started and read what it needs; None when it is finished or deleted."""
        run_id, conversation_id = work.run_id, work.conversation_id
        async with lease.transaction() as session:
            repository = TenantRunRepository(session, lease.tenant_id)
            run = await repository.get(run_id)
            if run is None or run.finished_at is not None:
                return None
            writer = ConversationWriter(session, lease.tenant_id, run.owner_id)
            now = self._clock()
            event = conversation_events.body(conversation_events.RUN_STATE_CHANGED, run_id=str(run_id))
            if run.started_at is None:
                exists = await writer.append_events(conversation_id, now, event)
            else:
                exists = await writer.lock(conversation_id) is not None
            if not exists:
                return None
            if not await repository.begin(run_id, lease.fence, now):
                return None
            if verdict is not None:
                return _Attempt(run, _failed(verdict))
            return _Attempt(run, await self._plan(lease, session, writer, run))

    async def _plan(
        self, lease: Lease, session: AsyncSession, writer: ConversationWriter, run: Run
    ) -> RunSpec | RunFinished:
        if _is_stopped(lease):
            return RunFinished(status=RunStatus.STOPPED)
        try:
            return await self._spec(session, writer, run)
        except DomainError as error:
            return _failed(error)

    async def _execute(self, lease: Lease, plan: RunSpec | RunFinished, execution: Execution) -> RunFinished:
        if isinstance(plan, RunFinished):
            return plan
        if _is_stopped(lease):
            return RunFinished(status=RunStatus.STOPPED)
        return await self._answer(lease, plan, execution)

    async def _answer(self, lease: Lease, spec: RunSpec, execution: Execution) -> RunFinished:
        """Run the engine and return how it ended; a cancellation for another reason than a stop is raised again."""
        deadline = asyncio.timeout(self._settings.deadline_s)
        try:
            async with deadline:
                loaded = await self._attachments.load(spec, execution) if self._attachments else spec
                await self._engine.run(loaded, execution)
        except asyncio.CancelledError:
            execution.take_cancellation()
            if isinstance(execution.failure, RunFailedError):
                return _failed(execution.failure)
            if execution.failure is not None:
                raise execution.failure from None
            if _is_stopped(lease):
                return RunFinished(status=RunStatus.STOPPED)
            await self._hand_over(execution)
            raise
        except TimeoutError as error:
            if not deadline.expired():
                raise
            limit = f"{self._settings.deadline_s:.0f}"
            _log.info("run.deadline_exceeded", run_id=str(spec.context.run_id), error=str(error))
            return _failed(
                RunDeadlineError(f"The answer took longer than {limit} seconds; split the request into smaller ones.")
            )
        except DatabaseUnavailableError:
            raise  # the run is retried when the database is back; it does not fail
        except DomainError as error:
            return _failed(error)
        return RunFinished(status=RunStatus.SUCCEEDED)

    async def _hand_over(self, execution: Execution) -> None:
        """Flush the events, for the next attempt and its readers."""
        if execution.sink is not None:
            try:
                await execution.sink.flush(1)
            except (UnavailableError, StaleAttemptError) as error:
                _log.info("run.log_unavailable", error=error.code)

    async def _end(
        self, lease: Lease, run: Run, sink: RunSink, ending: RunFinished, journal: Mapping[str, JsonObject]
    ) -> None:
        """Commit the end, then publish it: readers never see an end that a crash could undo."""
        opaque = self._engine.recorded_opaque(journal) if ending.status == RunStatus.SUCCEEDED else ()
        citations, unsupported = citations_of(answer_text(sink.history()), self._engine.recorded_sources(journal))
        if unsupported:
            _log.info("run.unsupported_citations", run_id=str(run.id), count=unsupported)
        ending = replace(await self._with_totals(lease, run, sink, ending), unsupported_citations=unsupported)
        sink.emit(ending, hold=True)
        state = JobState.CANCELLED if ending.status == RunStatus.STOPPED else JobState.DONE
        async with lease.final_transaction(state) as session:
            repository = RunRepository(session, lease.tenant_id, run.owner_id)
            writer = ConversationWriter(session, lease.tenant_id, run.owner_id)
            conversation = await writer.lock(run.conversation_id)
            current = await repository.get(run.id, lock=True)
            if conversation is not None and current is not None and current.finished_at is None:
                now = self._clock()
                beside = (*citations, *storable(opaque))
                await close_run(session, conversation, current, list(sink.history()), ending, now, beside)
                if ending.status == RunStatus.SUCCEEDED and conversation.title_source == TitleSource.NONE:
                    work = GenerateTitle(conversation_id=run.conversation_id, run_id=run.id)
                    await enqueue(session, lease.tenant_id, work, user_id=run.owner_id)
        try:
            await sink.flush()
        except UnavailableError:
            _log.info("run.finish_deferred", run_id=str(run.id))

    async def _with_totals(self, lease: Lease, run: Run, sink: RunSink, ending: RunFinished) -> RunFinished:
        """Add what all calls of the run used and cost, those that failed or were left included.

        The events count where a call was not accounted for.
        """
        async with lease.db.read(lease.tenant_id) as session:
            account = await run_account(session, lease.tenant_id, run.id)
        usages = account.usage, events.last_usage(sink.history())
        return replace(
            ending,
            usage=max(usages, key=lambda usage: usage.input_tokens + usage.output_tokens),
            cost_usd=None if account.cost_usd is None else usd_text(account.cost_usd),
            model_name=account.model_name,
        )

    async def _spec(self, session: AsyncSession, writer: ConversationWriter, run: Run) -> RunSpec:
        spec = run.spec
        history = await writer.history(run.question_id)
        route = await open_route(session, run.tenant_id, self._models, spec, str(run.conversation_id))
        return RunSpec(
            agent_name=str(spec["agent_name"]),
            kind=AgentKind(str(spec["kind"])),
            instructions=str(spec["instructions"]),
            max_steps=cast("int", spec["max_steps"]),
            route=route,
            tools=frozen_tools(spec, self._tools),
            history=tuple(map(turn_of, history[:-1])),
            question=history[-1].content,
            asked_at=datetime.fromisoformat(str(spec["asked_at"])),
            context=RunContext(
                tenant_id=run.tenant_id,
                user_id=run.owner_id,
                run_id=run.id,
                agent_id=run.agent_id,
                deadline=time.monotonic() + self._settings.deadline_s,
                time_zone=str(spec.get("time_zone") or UTC_ZONE),
                api_key_id=run.api_key_id,
            ),
        )


def _is_stopped(lease: Lease) -> bool:
    return lease.cancelled is CancelReason.REQUESTED


def _failed(error: DomainError) -> RunFinished:
    retry_after_s = error.details.get("retry_after_s")
    return RunFinished(
        status=RunStatus.FAILED,
        error_code=error.code,
        error_message=error.message,
        retryable=error.retryable,
        provider_message=error.provider_message if isinstance(error, ModelError) else None,
        retry_after_s=float(retry_after_s) if isinstance(retry_after_s, int | float) else None,
    )


async def _check_lease(lease: Lease) -> None:
    try:
        async with lease.transaction():
            pass
    except LeaseLostError as error:
        raise StaleAttemptError(error.message) from error
