"""Probes idle deployments whose circuit is open."""

import asyncio
from collections.abc import Awaitable, Callable

from nexent_gql.kernel.errors import DomainError
from nexent_gql.kernel.ids import new_id
from nexent_gql.ports.llm import LanguageModels
from nexent_gql.ports.llm_capacity import CallOutcome, CallReport, Capacity, CircuitChange, CircuitState, Claim
from nexent_gql.ports.llm_routes import Deployment

IDLE_S = 2.0
MAX_PROBES = 60
MAX_WATCHED = 1_000
OnClosed = Callable[[CircuitChange], Awaitable[None]]


class IdleProber:
    """Makes the smallest call to a deployment whose circuit is not closed, when no real call tries it.

    Real calls go first: a probe waits two seconds longer than the circuit stays open. It ends after 60 probes, about an
    hour; then only a real call finds the deployment again.

    Args:
        models: Makes the calls.
        capacity: Has the circuits.
        idle_s: How much longer than real calls a probe waits.
    """

    def __init__(self, models: LanguageModels, capacity: Capacity, *, idle_s: float = IDLE_S) -> None:
        self._models = models
        self._capacity = capacity
        self._idle_s = idle_s
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def watch(self, deployment: Deployment, on_closed: OnClosed) -> None:
        """Probe a deployment until its circuit is closed; `on_closed` is called if a probe closed it."""
        key = deployment.key
        if key in self._tasks or len(self._tasks) >= MAX_WATCHED:
            return
        task = asyncio.create_task(self._probe_until_closed(deployment, on_closed))
        self._tasks[key] = task
        task.add_done_callback(lambda _: self._tasks.pop(key, None))

    async def aclose(self) -> None:
        """Stop all probes."""
        tasks = [*self._tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _probe_until_closed(self, deployment: Deployment, on_closed: OnClosed) -> None:
        for _ in range(MAX_PROBES):
            try:
                state = await self._capacity.read(deployment.key)
                if state.circuit is CircuitState.CLOSED:
                    return
                await asyncio.sleep(state.wait_s + self._idle_s)
                if (change := await self._probe(deployment)) is not None:
                    await on_closed(change)
            except DomainError:
                await asyncio.sleep(self._idle_s)

    async def _probe(self, deployment: Deployment) -> CircuitChange | None:
        if (await self._capacity.read(deployment.key)).circuit is not CircuitState.HALF_OPEN:
            return None
        claim = Claim(deployment.key, deployment.endpoint.limits, str(new_id()), "probe")
        if (await self._capacity.acquire(claim)).refusal is not None:
            return None
        check = await self._models.check(deployment.endpoint)
        outcome = CallOutcome.OK if check.ok else CallOutcome.FAILED
        return await self._capacity.report(CallReport(deployment.key, claim.call_id, outcome))
