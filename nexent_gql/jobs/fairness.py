"""Choose which jobs of a queue start next: interactive before background, then tenants and users in turn."""

import heapq
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

_MAX_REMEMBERED = 10_000

User = tuple[UUID, UUID]
_Key = TypeVar("_Key")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A job that could start."""

    job_id: UUID
    tenant_id: UUID
    user_id: UUID
    priority: int

    @property
    def user(self) -> User:
        """The user within the tenant."""
        return self.tenant_id, self.user_id


class FairShare:
    """Counts the running jobs of one queue in one process, and chooses the next ones fairly.

    Of the tenants with due jobs, the one with the fewest running jobs is next; ties go to the one that was served
    longest ago. The same rule applies to the users of a tenant. A tenant may use every idle slot. A running job is
    never interrupted; therefore a reserve admits tenants without a running job, and half of it users without one.
    `kernel.fairness` applies the same rule to tasks within a process.

    Args:
        slots: Slots that anybody may use.
        reserve: Further slots for tenants and users without a running job.
    """

    def __init__(self, slots: int, reserve: int) -> None:
        self._slots = slots
        self._reserve = reserve
        self._running_by_tenant = Counter[UUID]()
        self._running_by_user = Counter[User]()
        self._last_turns: OrderedDict[UUID | User, int] = OrderedDict()
        self._turn = 0

    @property
    def free_slots(self) -> int:
        """The number of free slots, including the reserve."""
        return self._slots + self._reserve - self._running_by_tenant.total()

    def start(self, job: Candidate) -> None:
        """Count a job as running."""
        self._running_by_tenant[job.tenant_id] += 1
        self._running_by_user[job.user] += 1
        self._turn += 1
        for key in (job.tenant_id, job.user):
            self._last_turns[key] = self._turn
            self._last_turns.move_to_end(key)
        while len(self._last_turns) > _MAX_REMEMBERED:
            self._last_turns.popitem(last=False)

    def finish(self, job: Candidate) -> None:
        """Stop counting a job as running."""
        _decrement(self._running_by_tenant, job.tenant_id)
        _decrement(self._running_by_user, job.user)

    def start_next(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Start as many candidates as there are slots, and return them; candidates of one user keep their order."""
        waiting: dict[UUID, _Waiting] = defaultdict(lambda: _Waiting(self))
        for candidate in candidates:
            waiting[candidate.tenant_id].add(candidate)
        tenants = [(*self._tenant_rank(tenant_id, jobs), tenant_id) for tenant_id, jobs in waiting.items()]
        heapq.heapify(tenants)
        started: list[Candidate] = []
        while tenants and self.free_slots > 0:
            tenant_id = heapq.heappop(tenants)[-1]
            jobs = waiting[tenant_id]
            if (job := jobs.take()) is None:
                continue
            self.start(job)
            started.append(job)
            if jobs.users:
                heapq.heappush(tenants, (*self._tenant_rank(tenant_id, jobs), tenant_id))
        return started

    def may_start(self, user: User) -> bool:
        """Return whether a user may use one of the free slots."""
        used = self._reserve - self.free_slots
        if used < 0 or not self._running_by_tenant[user[0]]:
            return True
        return not self._running_by_user[user] and used < self._reserve // 2

    def user_rank(self, user: User) -> tuple[int, int]:
        """Return a user's rank within the tenant; the lowest is next."""
        return self._running_by_user[user], self._last_turns.get(user, 0)

    def _tenant_rank(self, tenant_id: UUID, jobs: "_Waiting") -> tuple[int, int, int]:
        return jobs.priority, self._running_by_tenant[tenant_id], self._last_turns.get(tenant_id, 0)


class _Waiting:
    """The candidates of one tenant, by user."""

    def __init__(self, share: FairShare) -> None:
        self.users: dict[User, deque[Candidate]] = {}
        self._share = share

    @property
    def priority(self) -> int:
        """The best priority of all of them."""
        return min(jobs[0].priority for jobs in self.users.values())

    def add(self, job: Candidate) -> None:
        self.users.setdefault(job.user, deque()).append(job)

    def take(self) -> Candidate | None:
        """Remove and return the next job; None when no user may start one."""
        allowed = [user for user in self.users if self._share.may_start(user)]
        if not allowed:
            return None
        user = min(allowed, key=lambda user: (self.users[user][0].priority, *self._share.user_rank(user)))
        jobs = self.users[user]
        job = jobs.popleft()
        if not jobs:
            del self.users[user]
        return job


def _decrement(counter: Counter[_Key], key: _Key) -> None:
    counter[key] -= 1
    if not counter[key]:
        del counter[key]
