"""Capacity that goes on by the process's own count while its store is away."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

import structlog

from nexent_gql.adapters.llm_capacity.memory import MemoryCapacity
from nexent_gql.adapters.loop_timeout import loop_timeout
from nexent_gql.kernel.errors import UnavailableError
from nexent_gql.ports.llm_capacity import CallReport, Capacity, CircuitChange, Claim, Decision, DeploymentState
from nexent_gql.ports.llm_limits import ModelLimits

ANSWER_S = 0.5
PAUSE_S = 1.0
SHARE = 0.5
T = TypeVar("T")
_log = structlog.get_logger()


class FallbackCapacity:
    """Implements the `Capacity` port; never raises.

    A store that does not answer in time is not asked again for a second. Meanwhile each process lets half of the limits
    through by its own count. A busy process is no outage, see `loop_timeout`. A lease belongs to the side that gave it.

    Args:
        store: What all processes share.
        answer_s: How long an answer of the store may take while this process is not busy, in seconds.
        clock: Monotonic seconds.
    """

    def __init__(
        self, store: Capacity, *, answer_s: float = ANSWER_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._answer_s = answer_s
        self._local = MemoryCapacity(clock=clock)
        self._clock = clock
        self._away_until = 0.0
        self._local_calls: set[str] = set()

    @property
    def lease_s(self) -> float:
        return self._store.lease_s

    async def acquire(self, claim: Claim) -> Decision:
        decision = await self._ask(lambda: self._store.acquire(claim))
        if decision is not None:
            return decision
        decision = await self._local.acquire(replace(claim, limits=_share(claim.limits)))
        if decision.refusal is None:
            self._local_calls.add(claim.call_id)
        return decision

    async def renew(self, deployment: str, call_id: str) -> None:
        if call_id in self._local_calls:
            await self._local.renew(deployment, call_id)
        else:
            await self._ask(lambda: self._store.renew(deployment, call_id))

    async def report(self, report: CallReport) -> CircuitChange | None:
        if report.call_id in self._local_calls:
            self._local_calls.discard(report.call_id)
            return await self._local.report(report)
        return await self._ask(lambda: self._store.report(report))

    async def leave(self, deployment: str, call_id: str) -> None:
        await self._local.leave(deployment, call_id)
        await self._ask(lambda: self._store.leave(deployment, call_id))

    async def read(self, deployment: str) -> DeploymentState:
        return await self._ask(lambda: self._store.read(deployment)) or await self._local.read(deployment)

    async def _ask(self, operation: Callable[[], Awaitable[T]]) -> T | None:
        """Return the reply of the store; None while it is unavailable."""
        if self._clock() < self._away_until:
            return None
        try:
            async with loop_timeout(self._answer_s):
                return await operation()
        except (UnavailableError, TimeoutError) as error:
            _log.warning("model.capacity_unavailable", error=type(error).__name__)
            self._away_until = self._clock() + PAUSE_S
            return None


def _share(limits: ModelLimits) -> ModelLimits:
    def half(limit: int | None) -> int | None:
        return None if limit is None else max(1, int(limit * SHARE))

    return ModelLimits(
        half(limits.requests_per_minute), half(limits.tokens_per_minute), half(limits.concurrent_requests)
    )
