"""Slots that tenants share: nobody is kept out, none is lost, and turns go to whoever holds least."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexent_gql.kernel.fairness import FairSemaphore, Owner, PoolOverloadedError

TENANTS = [UUID(int=number) for number in range(4)]
A, B, C, _ = TENANTS


class Work:
    """Holds a slot until it is told to end."""

    def __init__(self, semaphore: FairSemaphore, owner: Owner, log: list[Owner] | None = None) -> None:
        self.owner = owner
        self.has_slot = False
        self.turn = 0
        self.finished = asyncio.Event()
        self._log = log if log is not None else []
        self.task = asyncio.create_task(self._run(semaphore))

    async def _run(self, semaphore: FairSemaphore) -> None:
        async with semaphore.slot(self.owner):
            self.has_slot = True
            self._log.append(self.owner)
            self.turn = len(self._log)
            await self.finished.wait()
        self.has_slot = False

    async def end(self) -> None:
        self.finished.set()
        await self.task

    async def cancel(self) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def user(number: int) -> UUID:
    return UUID(int=1_000 + number)


async def start(semaphore: FairSemaphore, owners: Sequence[Owner], log: list[Owner] | None = None) -> list[Work]:
    work = [Work(semaphore, owner, log) for owner in owners]
    await settle()
    return work


async def test_a_tenant_may_use_every_idle_slot() -> None:
    semaphore = FairSemaphore(3)
    work = await start(semaphore, [Owner(A, user(1))] * 4)
    assert [one.has_slot for one in work] == [True, True, True, False]
    assert (semaphore.used_slots, semaphore.waiting) == (3, 1)
    for one in work:
        await one.end()
    assert (semaphore.used_slots, semaphore.waiting) == (0, 0)


async def test_the_next_slot_goes_to_the_tenant_that_holds_least() -> None:
    semaphore, log = FairSemaphore(2), list[Owner]()
    many = await start(semaphore, [Owner(A, user(1))] * 100, log)
    others = await start(semaphore, [Owner(B, user(2)), Owner(C, user(3))], log)
    await many[0].end()
    await settle()
    await many[1].end()
    await settle()
    assert {owner.tenant_id for owner in log[2:4]} == {B, C}
    for one in [*others, *many]:
        await one.cancel()


async def test_users_of_a_tenant_take_turns() -> None:
    semaphore, log = FairSemaphore(1), list[Owner]()
    busy, calm = Owner(A, user(1)), Owner(A, user(2))
    work = await start(semaphore, [busy] * 5 + [calm] * 2, log)
    order = [work[0], work[5], work[1], work[6], *work[2:5]]
    for one in order:
        await one.end()
    assert log == [busy, calm, busy, calm, busy, busy, busy]


async def test_the_reserve_is_for_those_who_hold_nothing() -> None:
    semaphore = FairSemaphore(2, reserve=2)
    greedy = await start(semaphore, [Owner(A, user(1))] * 6)
    assert sum(one.has_slot for one in greedy) == 2
    (colleague,) = await start(semaphore, [Owner(A, user(2))])
    assert colleague.has_slot
    (second,) = await start(semaphore, [Owner(A, user(3))])
    assert not second.has_slot, "half of the reserve is for other tenants"
    (stranger,) = await start(semaphore, [Owner(B, user(4))])
    assert stranger.has_slot
    (late,) = await start(semaphore, [Owner(C, user(5))])
    assert not late.has_slot, "the reserve is bounded"
    await greedy[0].end()
    await settle()
    assert late.has_slot, "a tenant without a slot comes before one with two"
    for one in [colleague, second, stranger, late, *greedy]:
        await one.cancel()
    assert semaphore.used_slots == 0


async def test_a_tenant_can_not_fill_the_queue_of_others() -> None:
    semaphore = FairSemaphore(1, max_waiting=2)
    work = await start(semaphore, [Owner(A, user(1))] * 3)
    with pytest.raises(PoolOverloadedError):
        async with semaphore.slot(Owner(A, user(2))):
            pass
    (other,) = await start(semaphore, [Owner(B, user(1))])
    for one in [*work, other]:
        await one.cancel()
    assert (semaphore.used_slots, semaphore.waiting) == (0, 0)


async def test_a_slot_granted_in_the_moment_of_a_cancellation_is_given_back() -> None:
    semaphore = FairSemaphore(1)
    first, second, third = await start(semaphore, [Owner(A, user(1)), Owner(B, user(1)), Owner(C, user(1))])
    first.finished.set()  # both happen in one turn of the loop
    await first.task
    await second.cancel()
    await settle()
    assert third.has_slot
    await third.end()


STEP = st.tuples(st.sampled_from(["start", "end", "cancel", "both"]), st.integers(0, 3), st.integers(0, 2))


@settings(max_examples=200, deadline=None)
@given(steps=st.lists(STEP, max_size=60), slots=st.integers(1, 3), reserve=st.integers(0, 3))
def test_no_slot_is_lost_and_no_turn_is_skipped(steps: list[tuple[str, int, int]], slots: int, reserve: int) -> None:
    asyncio.run(_play(steps, slots, reserve))


async def _play(steps: list[tuple[str, int, int]], slots: int, reserve: int) -> None:
    semaphore = FairSemaphore(slots, reserve=reserve)
    work: list[Work] = []
    for what, tenant, number in steps:
        if what == "start":
            work.append(Work(semaphore, Owner(TENANTS[tenant], user(number))))
        elif work:
            one = work.pop((tenant * 3 + number) % len(work))
            if what != "cancel":
                one.finished.set()  # may end before it has begun, or be cancelled in the same turn
            if what != "end":
                one.task.cancel()
            elif not one.has_slot:
                work.append(one)
        await settle()
        work = [one for one in work if not one.task.done()]
        _judge(semaphore, work, slots, reserve)
    for one in work:
        await one.cancel()
    assert (semaphore.used_slots, semaphore.waiting) == (0, 0)
    everything = await start(semaphore, [Owner(A, user(1))] * slots)
    assert all(one.has_slot for one in everything)
    for one in everything:
        await one.end()


def _judge(semaphore: FairSemaphore, work: list[Work], slots: int, reserve: int) -> None:
    slots_by_tenant = Counter(one.owner.tenant_id for one in work if one.has_slot)
    waiting = Counter(one.owner.tenant_id for one in work if not one.has_slot)
    assert semaphore.used_slots == slots_by_tenant.total() <= slots + reserve
    assert semaphore.waiting == waiting.total()
    assert all(semaphore.held_by(tenant) == slots_by_tenant[tenant] for tenant in TENANTS)
    if waiting:
        assert slots_by_tenant.total() >= slots
    if slots_by_tenant.total() < slots + reserve:
        assert all(slots_by_tenant[tenant] for tenant in waiting)


@settings(max_examples=50, deadline=None)
@given(backlog=st.lists(st.integers(1, 30), min_size=2, max_size=4), slots=st.integers(1, 4))
def test_tenants_with_work_get_equal_parts(backlog: list[int], slots: int) -> None:
    """However long a tenant's backlog is, another one with work waits for one turn of everybody's at most."""
    log: list[Owner] = []

    async def play() -> None:
        semaphore = FairSemaphore(slots)
        owners = [Owner(TENANTS[index], user(0)) for index, count in enumerate(backlog) for _ in range(count)]
        work = await start(semaphore, owners, log)
        while work:
            ended = min((one for one in work if one.has_slot), key=lambda one: one.turn)
            work.remove(ended)
            await ended.end()
            await settle()

    asyncio.run(play())
    left: Counter[UUID | None] = Counter({TENANTS[index]: count for index, count in enumerate(backlog)})
    waits: Counter[UUID | None] = Counter()
    for owner in log:
        left[owner.tenant_id] -= 1
        for tenant in TENANTS:
            waits[tenant] = 0 if tenant == owner.tenant_id or not left[tenant] else waits[tenant] + 1
            assert waits[tenant] <= len(backlog) * slots
