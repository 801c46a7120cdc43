"""Capacity of deployments within one process; `scripts` has the same rules for all processes."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from nexent_gql.adapters.llm_capacity.settings import MAX_POLL_S, POLL_S, WINDOW_S, CapacitySettings
from nexent_gql.ports.llm_capacity import (
    CallOutcome,
    CallReport,
    CircuitChange,
    CircuitState,
    Claim,
    Decision,
    DeploymentState,
    Refusal,
)

_MAX_DEPLOYMENTS = 10_000


@dataclass(slots=True)
class _Lease:
    """The right of a call; `is_trial`: it began while the circuit was not closed."""

    owner: str
    expires_at: float
    slot: int
    tokens: int
    is_trial: bool = False


@dataclass(slots=True)
class _Waiter:
    owner: str
    since: float
    expires_at: float


@dataclass(slots=True)
class _Slot:
    requests: int = 0
    tokens: int = 0
    succeeded: int = 0
    failed: int = 0


@dataclass(slots=True)
class _Deployment:
    """The state of one deployment; a circuit that is not closed has `open_until`."""

    leases: dict[str, _Lease] = field(default_factory=dict[str, _Lease])
    waiters: dict[str, _Waiter] = field(default_factory=dict[str, _Waiter])
    slots: dict[int, _Slot] = field(default_factory=dict[int, _Slot])
    served: dict[str, float] = field(default_factory=dict[str, float])
    cool_until: float = 0
    open_until: float | None = None
    openings: int = 0
    failures: int = 0


class MemoryCapacity:
    """Implements the `Capacity` port for one process."""

    def __init__(
        self, settings: CapacitySettings | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings or CapacitySettings()
        self._clock = clock
        self._deployments: dict[str, _Deployment] = {}

    @property
    def lease_s(self) -> float:
        return self._settings.lease_s

    async def acquire(self, claim: Claim) -> Decision:
        now = self._clock()
        state = self._current(claim.deployment, now)
        if claim.call_id in state.leases:
            state.leases[claim.call_id].expires_at = now + self._settings.lease_s
            return Decision(outstanding=len(state.leases))
        refusal = _circuit_refusal(state, now, ignores=claim.ignores_circuit) or _cooling_refusal(state, now)
        return refusal or self._admit(state, claim, now)

    async def renew(self, deployment: str, call_id: str) -> None:
        now = self._clock()
        lease = self._current(deployment, now).leases.setdefault(call_id, _Lease("", now, 0, 0))
        lease.expires_at = now + self._settings.lease_s

    async def report(self, report: CallReport) -> CircuitChange | None:
        now = self._clock()
        state = self._current(report.deployment, now)
        lease = state.leases.pop(report.call_id, None)
        if lease is not None and (slot := state.slots.get(lease.slot)) is not None:
            slot.tokens = max(0, slot.tokens + report.tokens - lease.tokens)
        if report.retry_after_s:
            state.cool_until = max(state.cool_until, now + report.retry_after_s)
        return self._update_circuit(state, report, now, is_trial=lease is None or lease.is_trial)

    async def leave(self, deployment: str, call_id: str) -> None:
        self._current(deployment, self._clock()).waiters.pop(call_id, None)

    async def read(self, deployment: str) -> DeploymentState:
        now = self._clock()
        state = self._current(deployment, now)
        circuit, until = CircuitState.CLOSED, state.cool_until
        if state.open_until is not None:
            circuit = CircuitState.OPEN if state.open_until > now else CircuitState.HALF_OPEN
            until = max(until, state.open_until)
        return DeploymentState(circuit, len(state.leases), len(state.waiters), max(0.0, until - now))

    def _current(self, key: str, now: float) -> _Deployment:
        """Return the state of a deployment without what has expired."""
        if key not in self._deployments and len(self._deployments) >= _MAX_DEPLOYMENTS:
            self._deployments.pop(next(iter(self._deployments)))
        state = self._deployments.setdefault(key, _Deployment())
        oldest = int((now - WINDOW_S) // self._settings.slot_s)
        for call_id in [id_ for id_, lease in state.leases.items() if lease.expires_at <= now]:
            del state.leases[call_id]
        for call_id in [id_ for id_, waiter in state.waiters.items() if waiter.expires_at <= now]:
            del state.waiters[call_id]
        for slot in [slot for slot in state.slots if slot < oldest]:
            del state.slots[slot]
        for owner in [owner for owner, at in state.served.items() if at < now - WINDOW_S]:
            del state.served[owner]
        return state

    def _admit(self, state: _Deployment, claim: Claim, now: float) -> Decision:
        ahead = _count_ahead(state, claim, now)
        free = _count_free(state, claim)
        if ahead < free:
            self._grant(state, claim, now)
            return Decision(outstanding=len(state.leases))
        position = ahead - max(0, free) + 1
        wait_s = min(MAX_POLL_S, POLL_S * position)
        if not claim.joins_queue:
            return Decision(Refusal.AT_LIMIT, wait_s, outstanding=len(state.leases))
        if claim.call_id not in state.waiters and len(state.waiters) >= self._settings.max_waiting:
            return Decision(Refusal.QUEUE_FULL, wait_s, outstanding=len(state.leases))
        waiter = state.waiters.setdefault(claim.call_id, _Waiter(claim.owner, now, now))
        waiter.expires_at = now + self._settings.waiter_s
        return Decision(Refusal.AT_LIMIT, wait_s, position, len(state.leases))

    def _grant(self, state: _Deployment, claim: Claim, now: float) -> None:
        number = int(now // self._settings.slot_s)
        slot = state.slots.setdefault(number, _Slot())
        slot.requests += 1
        slot.tokens += claim.tokens
        expires_at, is_trial = now + self._settings.lease_s, state.open_until is not None
        state.leases[claim.call_id] = _Lease(claim.owner, expires_at, number, claim.tokens, is_trial)
        state.waiters.pop(claim.call_id, None)
        state.served[claim.owner] = now

    def _update_circuit(
        self, state: _Deployment, report: CallReport, now: float, *, is_trial: bool
    ) -> CircuitChange | None:
        """Open or close the circuit.

        While it is not closed, only calls count that began since then, or that have no lease.
        """
        is_bad = report.outcome in {CallOutcome.FAILED, CallOutcome.DOWN}
        if not is_bad and report.outcome is not CallOutcome.OK:
            return None
        slot = state.slots.setdefault(int(now // self._settings.slot_s), _Slot())
        slot.failed += is_bad
        slot.succeeded += not is_bad
        state.failures = state.failures + 1 if is_bad else 0
        if state.open_until is None:
            return self._open(state, report, now) if is_bad and self._is_broken(state, report) else None
        if is_trial and is_bad:
            self._open(state, report, now)
        if not is_trial or is_bad:
            return None
        state.open_until, state.openings = None, 0
        state.slots = {number: _Slot(slot.requests, slot.tokens) for number, slot in state.slots.items()}
        return CircuitChange(CircuitState.CLOSED, 0)

    def _open(self, state: _Deployment, report: CallReport, now: float) -> CircuitChange:
        base_s = self._settings.down_s if report.outcome is CallOutcome.DOWN else self._settings.open_s
        state.open_until = now + min(self._settings.max_open_s, base_s * 2**state.openings)
        state.openings = min(state.openings + 1, 20)
        return CircuitChange(CircuitState.OPEN, state.failures)

    def _is_broken(self, state: _Deployment, report: CallReport) -> bool:
        if report.outcome is CallOutcome.DOWN or state.failures >= self._settings.failures_to_open:
            return True
        failed = sum(slot.failed for slot in state.slots.values())
        calls = failed + sum(slot.succeeded for slot in state.slots.values())
        return calls >= self._settings.min_calls and failed >= self._settings.failure_share * calls


def _circuit_refusal(state: _Deployment, now: float, *, ignores: bool) -> Decision | None:
    """Refuse while the circuit is open, and then while another call tries the deployment."""
    if state.open_until is None or ignores:
        return None
    is_tried = any(lease.is_trial for lease in state.leases.values())
    if state.open_until <= now and not is_tried:
        return None
    wait_s = max(state.open_until - now, MAX_POLL_S)
    return Decision(Refusal.CIRCUIT_OPEN, wait_s, outstanding=len(state.leases))


def _cooling_refusal(state: _Deployment, now: float) -> Decision | None:
    if state.cool_until <= now:
        return None
    return Decision(Refusal.COOLING_DOWN, state.cool_until - now, outstanding=len(state.leases))


def _count_free(state: _Deployment, claim: Claim) -> int:
    """Return how many calls like this one may begin now."""
    limits, free = claim.limits, len(state.waiters) + 1
    if limits.concurrent_requests is not None:
        free = min(free, limits.concurrent_requests - len(state.leases))
    if limits.requests_per_minute is not None:
        free = min(free, limits.requests_per_minute - sum(slot.requests for slot in state.slots.values()))
    if limits.tokens_per_minute is not None:
        used = sum(slot.tokens for slot in state.slots.values())
        room = (limits.tokens_per_minute - used) // max(1, claim.tokens)
        free = min(free, 1 if used <= 0 else room)  # a call above the limit begins when nothing else is counted
    return free


def _count_ahead(state: _Deployment, claim: Claim, now: float) -> int:
    """Return how many calls in the queue come first: owners take turns, those with the fewest calls first."""
    queue = {**state.waiters}
    queue.setdefault(claim.call_id, _Waiter(claim.owner, now, now))
    leases_by_owner = Counter(lease.owner for lease in state.leases.values())
    order: list[tuple[int, float, float, str]] = []
    for call_id, waiter in sorted(queue.items(), key=lambda item: (item[1].since, item[0])):
        order.append((leases_by_owner[waiter.owner], state.served.get(waiter.owner, 0.0), waiter.since, call_id))
        leases_by_owner[waiter.owner] += 1
    place = next(entry for entry in order if entry[3] == claim.call_id)
    return sum(entry < place for entry in order)
