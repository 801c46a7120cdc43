"""Accounts for one call of a model of any kind: reserved before it, renewed meanwhile, settled after it."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from decimal import Decimal

import structlog
from opentelemetry.trace import Span, StatusCode

from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.errors import DomainError, QuotaExceededError, UnavailableError
from nexent_gql.kernel.ids import new_id
from nexent_gql.ports.llm import CallAttribution, ModelEndpoint, ModelError, ModelKind, Usage
from nexent_gql.ports.llm_usage import ModelCallLedger, ModelCallRecord, PlannedCall
from nexent_gql.telemetry import start_span
from nexent_gql.telemetry.models import ModelMetrics

LEFT = "LEFT"
RETRY_S = 0.5
RENEWALS_PER_LEASE = 3
_OPERATIONS = {ModelKind.CHAT: "chat", ModelKind.EMBEDDING: "embeddings", ModelKind.RERANK: "rerank"}
_log = structlog.get_logger()


@dataclass(slots=True)
class OpenCall:
    """What is measured of a call that is being made.

    Attributes:
        plan: What was reserved.
        received_tokens: Estimates what has arrived so far.
        usage: The provider's counts; None: it gave none.
        is_whole: Whether the whole answer has arrived.
    """

    plan: PlannedCall
    received_tokens: Callable[[], int] = lambda: 0
    usage: Usage | None = None
    is_whole: bool = False
    first_token_ms: int | None = None
    error_code: str | None = LEFT
    began: float = field(default_factory=time.monotonic)

    def mark_first_token(self) -> None:
        """Note that the answer has begun."""
        if self.first_token_ms is None:
            self.first_token_ms = self.elapsed_ms()

    def elapsed_ms(self) -> int:
        """Return the milliseconds since the call began."""
        return round((time.monotonic() - self.began) * 1_000)

    def settled_usage(self) -> Usage:
        """Return the provider's counts, or an estimate of what was sent and what arrived."""
        if self.usage is not None:
            return self.usage
        if self.first_token_ms is None and self.error_code not in {None, LEFT}:
            return Usage()  # a call that was refused or did not get through costs nothing
        return Usage(self.plan.usage.input_tokens, self.received_tokens())


class CallAccounts:
    """Accounts for calls.

    A row that cannot be written is logged with its numbers; the answer is not lost for it. Its reservation then ends
    with its lease, and is settled by what was known at the last renewal.

    Args:
        ledger: Keeps reservations and rows.
        clock: The current time.
        metrics: Counts calls.
    """

    def __init__(self, ledger: ModelCallLedger, clock: Clock, metrics: ModelMetrics | None = None) -> None:
        self._ledger = ledger
        self._metrics = metrics or ModelMetrics()
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def account(
        self, attribution: CallAttribution, endpoint: ModelEndpoint, planned: Usage
    ) -> AsyncGenerator[OpenCall]:
        """Reserve what a call may use, and settle it on leaving, in whatever way the block ends.

        The block sets `usage` and `is_whole`. A block that raises ends the call with the error's code, one that is
        cancelled or left early as LEFT.

        Raises:
            QuotaExceededError: A budget does not have that much left; the call must not be made.
            UnavailableError: The ledger is away.
        """
        plan = PlannedCall(new_id(), attribution, endpoint, self._clock(), planned)
        await self._open(plan)
        call = OpenCall(plan)
        renewal = asyncio.create_task(self._renew(call))
        span = start_span(f"{_OPERATIONS[endpoint.kind]} {endpoint.model}", _facts(plan))
        try:
            yield call
        except ModelError as error:
            call.error_code = error.code
            raise
        finally:
            renewal.cancel()
            if call.is_whole:
                call.error_code = None
            self._measure(call, span)
            await self._close(call)

    def _measure(self, call: OpenCall, span: Span) -> None:
        """Count a call, and end its span."""
        endpoint, usage, first_ms = call.plan.endpoint, call.settled_usage(), call.first_token_ms
        first_token_s = None if first_ms is None else first_ms / 1_000
        outcome = call.error_code or "OK"
        self._metrics.count_call(endpoint.model, endpoint.kind, outcome, call.elapsed_ms() / 1_000, first_token_s)
        self._metrics.count_tokens(endpoint.model, usage.input_tokens, usage.output_tokens)
        if span.is_recording():
            span.set_attribute("gen_ai.usage.input_tokens", usage.input_tokens)
            span.set_attribute("gen_ai.usage.output_tokens", usage.output_tokens)
            if call.error_code is not None:
                span.set_attribute("error.type", call.error_code)
                span.set_status(StatusCode.UNSET if call.error_code == LEFT else StatusCode.ERROR)
        span.end()

    def cost(self, call: OpenCall) -> Decimal | None:
        """Return what a call costs so far in US dollars; None without a price."""
        return self._ledger.cost(call.plan.endpoint, call.plan.started_at, call.settled_usage())

    async def _open(self, plan: PlannedCall) -> None:
        """Reserve; what may have been reserved although this fails or is cancelled is released in the background."""
        opening = asyncio.create_task(self._ledger.open(plan))
        try:
            await asyncio.shield(opening)
        except QuotaExceededError:
            raise
        except BaseException:
            self._keep(asyncio.create_task(self._release(plan, opening)))
            raise

    async def _release(self, plan: PlannedCall, opening: asyncio.Task[None]) -> None:
        await asyncio.wait([opening])
        if not opening.cancelled():
            opening.exception()  # the caller has had it, or went away
        with suppress(UnavailableError):
            await self._ledger.release(plan)

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _renew(self, call: OpenCall) -> None:
        while True:
            await asyncio.sleep(self._ledger.lease_s / RENEWALS_PER_LEASE)
            with suppress(UnavailableError):
                await self._ledger.renew(call.plan, call.received_tokens())

    async def _close(self, call: OpenCall) -> None:
        """Write to the end also when the caller is cancelled meanwhile."""
        plan = call.plan
        record = ModelCallRecord(
            id=plan.id,
            attribution=plan.attribution,
            endpoint=plan.endpoint,
            started_at=plan.started_at,
            usage=call.settled_usage(),
            is_estimated=call.usage is None,
            latency_ms=call.elapsed_ms(),
            first_token_ms=call.first_token_ms,
            error_code=call.error_code,
        )
        write = asyncio.create_task(_write(lambda: self._ledger.close(record), record))
        self._keep(write)
        await asyncio.shield(write)


def _facts(plan: PlannedCall) -> dict[str, str | int]:
    """Return the attributes of a call's span, named as OpenTelemetry's conventions for generative AI name them."""
    facts: dict[str, str | int] = {
        "gen_ai.operation.name": _OPERATIONS[plan.endpoint.kind],
        "gen_ai.request.model": plan.endpoint.model,
        "nexent.purpose": plan.attribution.purpose,
        "nexent.step": plan.attribution.step,
    }
    if plan.attribution.run_id is not None:
        facts["nexent.run_id"] = str(plan.attribution.run_id)
    return facts


async def _write(close: Callable[[], Awaitable[None]], record: ModelCallRecord) -> None:
    for pause_s in (RETRY_S, None):
        try:
            await close()
        except DomainError as error:
            if pause_s is None:
                _log_lost(record, error)
            else:
                await asyncio.sleep(pause_s)
        else:
            return


def _log_lost(record: ModelCallRecord, error: DomainError) -> None:
    _log.error(
        "model.usage_lost",
        error=error.code,
        call_id=str(record.id),
        tenant_id=str(record.attribution.tenant_id),
        run_id=str(record.attribution.run_id),
        model=record.endpoint.model,
        **asdict(record.usage),
    )
