"""Queues at saturation: who starts next, and how soon, when all slots are taken."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import ClassVar
from uuid import UUID

import pytest
from sqlalchemy import text

from nexent_gql.adapters.events_memory import MemoryEventLog
from nexent_gql.adapters.redis_client import RedisClient, open_redis
from nexent_gql.adapters.wakeups_arq import ArqWakeups, queue_name
from nexent_gql.db.session import Database
from nexent_gql.jobs.dispatcher import Dispatcher
from nexent_gql.jobs.enqueue import enqueue
from nexent_gql.jobs.fairness import FairShare
from nexent_gql.jobs.lease import Lease
from nexent_gql.jobs.reaper import PATIENCE_S, Reaper
from nexent_gql.jobs.registry import JobHandler, JobRegistry
from nexent_gql.jobs.relay import Relay
from nexent_gql.jobs.runner import JobRunner
from nexent_gql.jobs.work import Priority, Work
from nexent_gql.kernel.ids import new_id
from tests.support.factory import Factory

QUEUE = "chores"
MANY = text("""
    INSERT INTO job (id, tenant_id, user_id, name, queue, key, payload)
    SELECT gen_random_uuid(), :tenant, CAST(:user AS uuid), 'chore', :queue, n::text, jsonb_build_object('number', n)
      FROM generate_series(1, :count) AS n
""")
WAKE = text("""
    INSERT INTO outbox (tenant_id, kind, payload)
    VALUES (:tenant, 'wake', jsonb_build_object('queue', CAST(:queue AS text)))
""")


class Chore(Work):
    name: ClassVar[str] = "chore"
    queue: ClassVar[str] = QUEUE
    number: int
    row: str | None = None

    @property
    def key(self) -> str:
        return f"one {self.number}"

    @property
    def lane(self) -> str | None:
        return self.row


class LaterChore(Chore):
    name: ClassVar[str] = "later_chore"
    priority: ClassVar[Priority] = Priority.BACKGROUND

    @property
    def key(self) -> str:
        return f"later {self.number}"


class Site:
    """A queue, its workers, and a note of every start."""

    def __init__(self, database: Database, link: RedisClient) -> None:
        self.db = database
        self.link = link
        self.wakeups = ArqWakeups(link)
        self.starts: list[tuple[UUID, int, float]] = []
        self.may_end = asyncio.Event()
        self.job_s = 0.0

    async def do(self, lease: Lease, work: Chore) -> None:
        self.starts.append((lease.tenant_id, work.number, asyncio.get_running_loop().time()))
        if self.job_s:
            await asyncio.sleep(self.job_s)
        else:
            await self.may_end.wait()

    @asynccontextmanager
    async def worker(self, slots: int, *, reserve: int = 0, is_woken: bool = True) -> AsyncGenerator[None]:
        """Run a worker, with a relay and the real carrier unless it is never woken."""
        registry = JobRegistry([JobHandler(kind, self.do, self.do) for kind in (Chore, LaterChore)])
        runner = JobRunner(self.db, registry, owner=f"worker {new_id()}", lease_s=60)
        dispatcher = Dispatcher(self.db, runner, QUEUE, registry.names, FairShare(slots, reserve))
        loops = [dispatcher.run()]
        if is_woken:
            relay = Relay(self.db, self.wakeups, MemoryEventLog())
            loops += [self.wakeups.serve(QUEUE, dispatcher), relay.run()]
        tasks = [asyncio.create_task(loop) for loop in loops]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def add_many(self, tenant_id: UUID, count: int, user_id: UUID | None = None) -> None:
        values = {"tenant": tenant_id, "user": str(user_id or UUID(int=0)), "queue": QUEUE, "count": count}
        async with self.db.transaction(tenant_id) as session:
            await session.execute(MANY, values)
            await session.execute(WAKE, {"tenant": tenant_id, "queue": QUEUE})

    async def add(self, tenant_id: UUID, work: Chore, *, user_id: UUID | None = None, delay_s: float = 0) -> float:
        """Enqueue one job, and return when."""
        async with self.db.transaction(tenant_id) as session:
            await enqueue(session, tenant_id, work, user_id=user_id, delay_s=delay_s)
        return asyncio.get_running_loop().time()

    async def until(self, count: int, timeout_s: float = 60) -> None:
        """Return when so many jobs have started."""
        async with asyncio.timeout(timeout_s):
            while len(self.starts) < count:  # noqa: ASYNC110 - jobs tell nobody
                await asyncio.sleep(0.002)

    def started_at(self, tenant_id: UUID, number: int) -> float:
        (at,) = (at for tenant, start, at in self.starts if (tenant, start) == (tenant_id, number))
        return at

    async def wakeups_waiting(self) -> int:
        count = await self.link.commands.execute("ZCARD", queue_name(QUEUE))
        assert isinstance(count, int)
        return count


@pytest.fixture
async def site(database: Database, redis_url: str) -> AsyncGenerator[Site]:
    async with open_redis(redis_url) as link:
        await link.commands.execute("FLUSHDB")
        yield Site(database, link)


async def test_jobs_that_wait_for_a_slot_are_woken_once_and_a_new_one_starts_at_once_when_they_are_done(
    site: Site, make: Factory
) -> None:
    tenant_id = (await make.principal()).tenant_id
    await site.add_many(tenant_id, 2_000)
    async with site.worker(50):
        await site.until(50)
        for number in range(20):
            await site.add(tenant_id, Chore(number=number))
            await asyncio.sleep(0.1)
            assert await site.wakeups_waiting() <= 1
        assert len(site.starts) == 50
        site.may_end.set()
        await site.until(2_020)
        asked_at = await site.add(tenant_id, Chore(number=99_999))
        await site.until(2_021, timeout_s=5)
    assert site.started_at(tenant_id, 99_999) - asked_at < 0.5


async def test_the_first_job_of_a_tenant_waits_for_one_turn_behind_ten_thousand_of_another(
    site: Site, make: Factory
) -> None:
    client_group, newcomer = [(await make.principal()).tenant_id for _ in range(2)]
    site.job_s = 0.05
    await site.add_many(client_group, 10_000)
    async with site.worker(2):
        await site.until(10)
        await site.add(newcomer, Chore(number=1))
        before = len(site.starts)
        while newcomer not in {tenant for tenant, _, _ in site.starts}:  # noqa: ASYNC110 - jobs tell nobody
            await asyncio.sleep(0.002)
        ahead = [tenant for tenant, _, _ in site.starts[before:]].index(newcomer)
    assert ahead <= 4  # those that started while it was relayed, and one turn of both slots


async def test_long_jobs_of_one_tenant_leave_room_for_another(site: Site, make: Factory) -> None:
    client_group, newcomer = [(await make.principal()).tenant_id for _ in range(2)]
    async with site.worker(50, reserve=13):
        site.job_s = 0.01
        idle_at = await site.add(newcomer, Chore(number=1))
        await site.until(1)
        idle_s = site.started_at(newcomer, 1) - idle_at
        site.job_s = 0
        await site.add_many(client_group, 60)
        await site.until(51)
        asked_at = await site.add(newcomer, Chore(number=2))
        await site.until(52, timeout_s=5)
        assert site.started_at(newcomer, 2) - asked_at < max(3 * idle_s, 0.5)


async def test_long_jobs_of_one_user_leave_room_for_a_colleague(site: Site, make: Factory) -> None:
    user = await make.principal()
    colleague = await make.principal(beside=user)
    async with site.worker(8, reserve=2):
        await site.add_many(user.tenant_id, 60, user.user_id)
        await site.until(8)
        await site.add(user.tenant_id, Chore(number=-1), user_id=colleague.user_id)
        await site.until(9, timeout_s=5)
    assert site.starts[-1][1] == -1


async def test_interactive_jobs_come_first_until_background_ones_have_waited_for_long(
    site: Site, make: Factory
) -> None:
    tenant_id = (await make.principal()).tenant_id
    site.job_s = 0.01
    for number in range(3):
        await site.add(tenant_id, LaterChore(number=number))
    async with site.db.system() as session:
        waited = text("UPDATE job SET run_after = run_after - make_interval(secs => :s) WHERE key = 'later 1'")
        await session.execute(waited, {"s": PATIENCE_S + 1})
    await Reaper(site.db, interval_s=1, lease_s=60).look()
    for number in range(10, 13):
        await site.add(tenant_id, Chore(number=number))
    async with site.worker(1):
        await site.until(6)
    assert [number for _, number, _ in site.starts] == [1, 10, 11, 12, 0, 2]


async def test_jobs_start_without_any_wakeup(site: Site, make: Factory) -> None:
    tenant_id = (await make.principal()).tenant_id
    site.job_s = 0.01
    async with site.worker(2, is_woken=False):
        await asyncio.sleep(0.3)
        await site.add(tenant_id, Chore(number=1))
        await site.until(1, timeout_s=3)


async def test_jobs_start_though_redis_forgot_their_wakeup(site: Site, make: Factory) -> None:
    tenant_id = (await make.principal()).tenant_id
    async with site.worker(1):
        await site.add(tenant_id, Chore(number=1))
        await site.until(1)
        await site.add(tenant_id, Chore(number=2))
        await asyncio.sleep(0.3)
        await site.link.commands.execute("FLUSHDB")
        site.may_end.set()
        await site.until(2, timeout_s=3)


async def test_a_delayed_job_starts_when_its_pause_is_over(site: Site, make: Factory) -> None:
    tenant_id = (await make.principal()).tenant_id
    async with site.worker(2):
        asked_at = await site.add(tenant_id, Chore(number=1), delay_s=0.5)
        await site.until(1, timeout_s=5)
    assert site.started_at(tenant_id, 1) - asked_at >= 0.5


async def test_several_workers_do_every_job_once(site: Site, make: Factory) -> None:
    tenants = [(await make.principal()).tenant_id for _ in range(3)]
    site.job_s = 0.001
    for tenant_id in tenants:
        await site.add_many(tenant_id, 100)
    async with site.worker(5), site.worker(5), site.worker(5):
        await site.until(300)
        await asyncio.sleep(0.2)
    assert set(Counter((tenant, number) for tenant, number, _ in site.starts).values()) == {1}
    assert len(site.starts) == 300


async def test_jobs_of_a_lane_run_one_after_the_other_beside_others(site: Site, make: Factory) -> None:
    tenant_id = (await make.principal()).tenant_id
    for number in range(5):
        await site.add(tenant_id, Chore(number=number, row="a"))
    await site.add(tenant_id, Chore(number=9))
    async with site.worker(4):
        await site.until(2)
        await asyncio.sleep(0.3)
        assert {number for _, number, _ in site.starts} == {0, 9}
        site.job_s = 0.01
        site.may_end.set()
        await site.until(6)
    assert [number for _, number, _ in site.starts if number != 9] == [0, 1, 2, 3, 4]


async def test_a_worker_that_stops_gives_its_jobs_to_another(site: Site, make: Factory) -> None:
    tenant_id = (await make.principal()).tenant_id
    await site.add_many(tenant_id, 3)
    async with site.worker(3):
        await site.until(3)
    async with site.worker(3):
        await site.until(6, timeout_s=5)
    assert Counter(number for _, number, _ in site.starts) == {1: 2, 2: 2, 3: 2}
