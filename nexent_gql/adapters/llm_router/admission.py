"""Admission of calls: a lease of one of the deployments of a route, or a place in their queues."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self
from uuid import UUID

import structlog

from nexent_gql.adapters.llm_router.balancing import ranked
from nexent_gql.adapters.llm_tokens import estimate_tokens
from nexent_gql.kernel.errors import DomainError
from nexent_gql.kernel.ids import new_id
from nexent_gql.ports.llm import CallAttribution, ChatRequest, ModelError, ModelRateLimitedError
from nexent_gql.ports.llm_capacity import CallOutcome, CallReport, Capacity, CircuitChange, Claim, Decision, Refusal
from nexent_gql.ports.llm_limits import NO_LIMITS
from nexent_gql.ports.llm_routes import Deployment, ModelRoute, QueuePosition

RENEWALS_PER_LEASE = 3
MAX_QUEUES = 5
CLOSE_S = 2.0
_USUAL_ANSWER_TOKENS = 1_000
_USUAL_COOLING_S = 1.0
_STALE_S = 5.0
_BLOCKED_S = 1.0
_log = structlog.get_logger()


class CircuitListener(Protocol):
    """Called when a circuit opens or closes; `tenant_id` None: the call belonged to no tenant."""

    async def __call__(
        self, tenant_id: UUID | None, deployment: Deployment, change: CircuitChange, error: ModelError | None
    ) -> None:
        """Take note; failures are logged."""
        ...


@dataclass(frozen=True, slots=True)
class Candidate:
    """A call that waits for admission: its owner, and how many tokens it will probably use."""

    attribution: CallAttribution | None
    estimate_tokens: Callable[[], int]

    @classmethod
    def of(cls, request: ChatRequest) -> Self:
        """Return the candidate of a chat request."""

        def estimate() -> int:
            answer = request.max_output_tokens or _USUAL_ANSWER_TOKENS
            return estimate_tokens(request.messages) + min(answer, _USUAL_ANSWER_TOKENS)

        return cls(request.attribution, estimate)


@dataclass(frozen=True, slots=True)
class AdmissionSettings:
    """Bounds of waiting, in seconds.

    Attributes:
        max_queue_s: How long a call may wait in a queue.
        max_cooling_s: How long a call waits for a provider that asks everybody to wait; more is left to the caller.
    """

    max_queue_s: float = 300
    max_cooling_s: float = 20


class Lease:
    """The right to call a deployment; it is renewed until `end`."""

    def __init__(self, admissions: "Admissions", deployment: Deployment, claim: Claim, tenant_id: UUID | None) -> None:
        self.deployment = deployment
        self.tenant_id = tenant_id
        self._admissions = admissions
        self._call_id = claim.call_id
        self._tokens = claim.tokens
        self._is_only = claim.ignores_circuit
        self._timer = asyncio.get_running_loop().call_later(admissions.renew_s, self._renew)

    def cancel(self) -> None:
        """Stop renewing the lease; without `end` it expires."""
        self._timer.cancel()

    def end(self, outcome: CallOutcome, error: ModelError | None, tokens: int | None) -> asyncio.Task[None]:
        """Give the lease back, and return the task that reports the call; `tokens` None is unknown."""
        self.cancel()
        retry_after_s = (error.retry_after_s if error else None) or 0.0
        if outcome is CallOutcome.LIMITED and not retry_after_s and not self._is_only:
            retry_after_s = _USUAL_COOLING_S
        used = self._tokens if tokens is None else tokens
        report = CallReport(self.deployment.key, self._call_id, outcome, used, min(retry_after_s, 600.0))
        return self._admissions.end(self, report, error)

    def _renew(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._admissions.renew_s, self._renew)
        self._admissions.renew(self.deployment.key, self._call_id)


class Admissions:
    """Lets calls begin.

    The state of a deployment in a reply of the store is cached for a moment, to order the next attempts; only the
    store decides.

    Args:
        capacity: The store.
        settings: Bounds of waiting.
        on_circuit_change: Called in the background when a circuit opens or closes.
        on_wait: Called with the provider's name of the model and the seconds that a call waited in queues for it.
        sleep: How to wait, for tests.

    Attributes:
        renew_s: Seconds between two renewals of a lease.
    """

    def __init__(
        self,
        capacity: Capacity,
        settings: AdmissionSettings,
        *,
        on_circuit_change: CircuitListener,
        on_wait: Callable[[str, float], None] = lambda _model, _wait_s: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.renew_s = capacity.lease_s / RENEWALS_PER_LEASE
        self._capacity = capacity
        self._settings = settings
        self._on_circuit_change = on_circuit_change
        self._on_wait = on_wait
        self._sleep = sleep
        self._outstanding: dict[str, tuple[int, float]] = {}
        self._blocked_until: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def aclose(self) -> None:
        """Wait a little for reports that are on their way."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_S)

    async def enter(
        self, route: ModelRoute, candidate: Candidate, excluded: Collection[str]
    ) -> AsyncGenerator[QueuePosition | Lease]:
        """Yield the places in the queue as they change, and at last a lease.

        Raises:
            ModelRateLimitedError: All deployments are asked to rest for too long, or the queue is full or too slow.
        """
        waiting, began = _Waiting(route, candidate), time.monotonic()
        give_up_at = time.monotonic() + self._settings.max_queue_s
        try:
            while True:
                decisions = await self._try_all(waiting, excluded)
                if waiting.lease is not None:
                    if waiting.position:
                        self._on_wait(waiting.lease.deployment.endpoint.model, time.monotonic() - began)
                    yield waiting.lease
                    return
                wait_s = self._wait_s(decisions, give_up_at)
                if position := min((each.position for each in decisions.values() if each.position), default=0):
                    if position != waiting.position:
                        waiting.position = position
                        yield QueuePosition(position)
                elif not waiting.joins_queue and any(_is_at_limit(each) for each in decisions.values()):
                    waiting.joins_queue = True
                    continue
                await self._sleep(wait_s)
        finally:
            for key in waiting.queues:
                self._start(self._capacity.leave(key, waiting.call_id))

    async def _try_all(self, waiting: "_Waiting", excluded: Collection[str]) -> Mapping[str, Decision]:
        """Ask for each deployment in turn; without a lease, return why each refused."""
        outstanding, decisions = self._known_outstanding(), dict[str, Decision]()
        order = [each for each in ranked(waiting.route, outstanding) if each.key not in excluded]
        now = time.monotonic()
        order.sort(key=lambda each: self._blocked_until.get(each.key, 0.0) > now)
        for deployment in order[: MAX_QUEUES if waiting.joins_queue else None]:
            if await self._try(waiting, deployment, decisions):
                return {}
        if decisions and all(each.refusal is Refusal.CIRCUIT_OPEN for each in decisions.values()):
            await self._try(waiting, order[0], decisions, ignores_circuit=True)
        return decisions

    async def _try(
        self,
        waiting: "_Waiting",
        deployment: Deployment,
        decisions: dict[str, Decision],
        *,
        ignores_circuit: bool = False,
    ) -> bool:
        claim = waiting.claim(deployment, ignores_circuit=ignores_circuit)
        if _is_free(waiting.route, deployment) and self._blocked_until.get(deployment.key, 0.0) <= time.monotonic():
            decision = Decision()
        else:
            decision = await self._capacity.acquire(claim)
        self._remember(deployment.key, decision)
        if decision.refusal is not None:
            decisions[deployment.key] = decision
            if decision.position:
                waiting.queues.add(deployment.key)
            return False
        waiting.queues.discard(deployment.key)
        waiting.lease = Lease(self, deployment, claim, waiting.tenant_id)
        return True

    def end(self, lease: Lease, report: CallReport, error: ModelError | None) -> asyncio.Task[None]:
        """Return the task that reports a call."""
        if (outstanding := self._outstanding.get(report.deployment)) is not None:
            self._outstanding[report.deployment] = (max(0, outstanding[0] - 1), outstanding[1])
        if report.retry_after_s:
            self._blocked_until[report.deployment] = time.monotonic() + report.retry_after_s
        return self._start(self._report(lease, report, error))

    def renew(self, deployment: str, call_id: str) -> None:
        """Renew a lease in the background."""
        self._start(self._capacity.renew(deployment, call_id))

    async def _report(self, lease: Lease, report: CallReport, error: ModelError | None) -> None:
        change = await self._capacity.report(report)
        if change is not None:
            await self._on_circuit_change(lease.tenant_id, lease.deployment, change, error)

    def _start(self, work: Coroutine[Any, Any, object]) -> asyncio.Task[None]:
        async def run() -> None:
            try:
                await work
            except DomainError as error:
                _log.info("model.capacity_unavailable", error=error.code)

        task = asyncio.create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _wait_s(self, decisions: Mapping[str, Decision], give_up_at: float) -> float:
        """Return when to ask again.

        Raises:
            ModelRateLimitedError: It would take too long.
        """
        wait_s = min((each.wait_s for each in decisions.values()), default=1.0)
        can_queue = any(each.refusal is Refusal.AT_LIMIT for each in decisions.values())
        if not can_queue and any(each.refusal is Refusal.QUEUE_FULL for each in decisions.values()):
            raise ModelRateLimitedError("Too many requests wait for this model. Try again later.", cause="QUEUE_FULL")
        if not can_queue and wait_s > self._settings.max_cooling_s:
            raise ModelRateLimitedError(
                "The provider limits how often it is asked. Wait a little, then try again.",
                cause="COOLING_DOWN",
                retry_after_s=round(wait_s, 1),
            )
        if time.monotonic() + wait_s > give_up_at:
            raise ModelRateLimitedError("The model was busy for too long. Try again later.", cause="QUEUE_TIMEOUT")
        return wait_s

    def _known_outstanding(self) -> Mapping[str, int]:
        oldest = time.monotonic() - _STALE_S
        return {key: count for key, (count, at) in self._outstanding.items() if at > oldest}

    def _remember(self, key: str, decision: Decision) -> None:
        now = time.monotonic()
        self._outstanding[key] = (decision.outstanding, now)
        if decision.refusal in {Refusal.CIRCUIT_OPEN, Refusal.COOLING_DOWN}:
            self._blocked_until[key] = now + min(decision.wait_s, _BLOCKED_S)
        else:
            self._blocked_until.pop(key, None)


class _Waiting:
    """A call that waits for admission; `queues` are the deployments in whose queues it is."""

    def __init__(self, route: ModelRoute, candidate: Candidate) -> None:
        attribution = candidate.attribution
        self.route = route
        self.call_id = str(new_id())
        self.tenant_id = attribution.tenant_id if attribution else None
        self.queues: set[str] = set()
        self.joins_queue = False
        self.position = 0
        self.lease: Lease | None = None
        self._candidate = candidate
        self._tokens: int | None = None

    def claim(self, deployment: Deployment, *, ignores_circuit: bool) -> Claim:
        """Return what to ask of a deployment; tokens are estimated only where they are limited."""
        limits, attribution = deployment.endpoint.limits, self._candidate.attribution
        if self._tokens is None and limits.tokens_per_minute is not None:
            self._tokens = self._candidate.estimate_tokens()
        return Claim(
            deployment=deployment.key,
            limits=limits,
            call_id=self.call_id,
            owner=f"{attribution.tenant_id}/{attribution.user_id}" if attribution else "",
            tokens=self._tokens or 0,
            joins_queue=self.joins_queue,
            ignores_circuit=ignores_circuit or len(self.route.deployments) == 1,
        )


def _is_free(route: ModelRoute, deployment: Deployment) -> bool:
    """Tell whether nothing can refuse a call: the only deployment is used without limits, broken or not."""
    return len(route.deployments) == 1 and deployment.endpoint.limits == NO_LIMITS


def _is_at_limit(decision: Decision) -> bool:
    return decision.refusal in {Refusal.AT_LIMIT, Refusal.QUEUE_FULL}
