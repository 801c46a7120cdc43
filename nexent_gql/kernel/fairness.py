"""A fair semaphore for pools that tenants share."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from nexent_gql.kernel.errors import UnavailableError


class Owner(NamedTuple):
    """The tenant and user that a slot is used for; None stands for the installation, or for no particular user."""

    tenant_id: UUID | None
    user_id: UUID | None


SYSTEM = Owner(None, None)
"""Work of the installation itself; it takes turns like a tenant."""


class PoolOverloadedError(UnavailableError):
    """One tenant has too much work waiting for the same pool."""

    code = "POOL_OVERLOADED"


@dataclass(slots=True)
class _Usage:
    """A tenant's slots and waiting requests, by user; `served` numbers the last grant of each user."""

    slots: Counter[UUID | None] = field(default_factory=Counter[UUID | None])
    waiting: dict[UUID | None, deque[asyncio.Future[None]]] = field(
        default_factory=dict[UUID | None, deque[asyncio.Future[None]]]
    )
    served: dict[UUID | None, int] = field(default_factory=dict[UUID | None, int])
    last_served: int = 0


class FairSemaphore:
    """Grants slots to the tenant that holds the fewest, and within a tenant to the user that holds the fewest.

    Ties go to the one that was served least recently; a user's own requests are served in order.
    A tenant may use every idle slot. A holder is never interrupted; therefore a reserve admits tenants without a slot
    while others hold all slots, and half of it users without a slot whose tenant has some. For use on one event loop.

    Args:
        slots: Slots that anybody may use.
        reserve: Further slots for tenants and users without a slot.
        max_waiting: Limit of waiting requests of one tenant.
    """

    def __init__(self, slots: int, *, reserve: int = 0, max_waiting: int = 10_000) -> None:
        if slots < 1 or reserve < 0:
            raise ValueError("a semaphore needs a slot")
        self._slots = slots
        self._reserve = reserve
        self._max_waiting = max_waiting
        self._total = 0
        self._waiting = 0
        self._grants = 0
        self._tenants: dict[UUID | None, _Usage] = {}

    @property
    def used_slots(self) -> int:
        """The number of slots in use, including the reserve."""
        return self._total

    @property
    def waiting(self) -> int:
        """The number of waiting requests."""
        return self._waiting

    def held_by(self, tenant_id: UUID | None) -> int:
        """Return the number of slots that a tenant holds."""
        usage = self._tenants.get(tenant_id)
        return usage.slots.total() if usage is not None else 0

    @asynccontextmanager
    async def slot(self, owner: Owner) -> AsyncGenerator[None]:
        """Hold a slot within the block; waits until one is granted.

        Raises:
            PoolOverloadedError: Too many requests of the tenant wait already.
        """
        await self._acquire(owner)
        try:
            yield
        finally:
            self._release(owner)

    async def _acquire(self, owner: Owner) -> None:
        usage = self._tenants.setdefault(owner.tenant_id, _Usage())
        if _count_waiting(usage) >= self._max_waiting:
            raise PoolOverloadedError("Too many requests of this tenant are waiting; try again in a moment.")
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        usage.waiting.setdefault(owner.user_id, deque()).append(granted)
        self._waiting += 1
        self._grant()
        if granted.done():
            return
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self._release(owner)  # it was granted at the moment of the cancellation
            else:
                self._withdraw(owner, granted)
            raise

    def _release(self, owner: Owner) -> None:
        usage = self._tenants[owner.tenant_id]
        usage.slots[owner.user_id] -= 1
        self._total -= 1
        self._drop_idle(owner)
        self._grant()

    def _withdraw(self, owner: Owner, request: asyncio.Future[None]) -> None:
        usage = self._tenants.get(owner.tenant_id)
        requests = usage.waiting.get(owner.user_id, ()) if usage is not None else ()
        if usage is not None and request in requests:
            usage.waiting[owner.user_id].remove(request)
            self._waiting -= 1
            self._drop_idle(owner)

    def _grant(self) -> None:
        """Grant slots until no waiting request may have one."""
        while (owner := next(self._entitled(), None)) is not None:
            usage = self._tenants[owner.tenant_id]
            request = usage.waiting[owner.user_id].popleft()
            self._waiting -= 1
            if request.cancelled():  # cancelled, and its task has not run yet
                self._drop_idle(owner)
                continue
            usage.slots[owner.user_id] += 1
            self._total += 1
            self._grants += 1
            usage.served[owner.user_id] = usage.last_served = self._grants
            self._drop_idle(owner)
            request.set_result(None)

    def _entitled(self) -> Iterator[Owner]:
        """Yield the waiting requests that may have a slot now, in order."""
        if self._total >= self._slots + self._reserve:
            return
        waiting = [(tenant_id, usage) for tenant_id, usage in self._tenants.items() if usage.waiting]
        for tenant_id, usage in sorted(waiting, key=lambda item: (item[1].slots.total(), item[1].last_served)):
            for user_id in sorted(usage.waiting, key=lambda id_: (usage.slots[id_], usage.served.get(id_, 0))):
                if self._may_enter(usage, user_id):
                    yield Owner(tenant_id, user_id)

    def _may_enter(self, usage: _Usage, user_id: UUID | None) -> bool:
        if self._total < self._slots or not usage.slots.total():
            return True
        used = self._total - self._slots
        return not usage.slots[user_id] and used < self._reserve // 2

    def _drop_idle(self, owner: Owner) -> None:
        """Drop the records of users and tenants without slots and waiting requests."""
        usage = self._tenants[owner.tenant_id]
        if owner.user_id in usage.waiting and not usage.waiting[owner.user_id]:
            del usage.waiting[owner.user_id]
        if not usage.slots[owner.user_id]:
            del usage.slots[owner.user_id]
            if owner.user_id not in usage.waiting:
                usage.served.pop(owner.user_id, None)
        if not usage.slots and not usage.waiting:
            del self._tenants[owner.tenant_id]


def _count_waiting(usage: _Usage) -> int:
    return sum(len(requests) for requests in usage.waiting.values())
