"""Queues at saturation: who starts next, and how soon, when all slots are taken."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator

import pytest
from sqlalchemy import text

from nexent_gql.adapters.redis_client import open_redis
from nexent_gql.db.session import Database
from nexent_gql.jobs.fairness import FairShare
from nexent_gql.jobs.reaper import PROMOTE_AFTER_S, Reaper
from nexent_gql.jobs.settings import JobSettings
from tests.support.factory import Factory
from tests.support.job_site import KINDS, Chore, JobSite, LaterChore, LightChore, RunChore

pytestmark = pytest.mark.timeout(240)  # two thousand jobs take long on a busy machine


@pytest.fixture
async def site(database: Database, redis_url: str) -> AsyncGenerator[JobSite]:
    async with open_redis(redis_url) as link:
        await link.commands.execute("FLUSHDB")
        yield JobSite(database, link)


@pytest.mark.parametrize(
    "full_s", [2, pytest.param(60, marks=[pytest.mark.slow, pytest.mark.timeout(400)])], ids=lambda full_s: f"{full_s}s"
)
async def test_jobs_that_wait_for_a_slot_are_woken_once_and_a_new_one_starts_at_once_when_they_are_done(
    site: JobSite, make: Factory, full_s: int
) -> None:
    tenant_id = (await make.principal()).tenant_id
    async with site.worker(50):
        site.job_s = 0.01
        idle_s = [await site.delay_of(tenant_id, Chore(number=10_000 + number)) for number in range(5)]
        site.job_s = 0
        await site.add_many(tenant_id, 2_000)
        await site.until(55)
        for number in range(20):
            await site.add(tenant_id, Chore(number=20_000 + number))
            await asyncio.sleep(full_s / 20)
            assert await site.wakeups_waiting() <= 1
        assert len(site.starts) == 55
        site.may_end.set()
        await site.until(2_025, timeout_s=180)
        await site.until_done(2_025)
        delay_s = await site.delay_of(tenant_id, Chore(number=99_999))
    assert delay_s < max(0.5, 3 * max(idle_s))


@pytest.mark.parametrize(("full", "other"), [(RunChore, LightChore), (LightChore, RunChore)])
async def test_a_full_queue_delays_no_job_of_another_queue_and_none_of_another_tenant(
    site: JobSite, make: Factory, full: type[Chore], other: type[Chore]
) -> None:
    busy, newcomer = [(await make.principal()).tenant_id for _ in range(2)]
    jobs = JobSettings()
    shares = {kind.queue: FairShare(jobs.concurrency_of(kind.queue), jobs.reserve_of(kind.queue)) for kind in KINDS}
    slots = jobs.concurrency_of(full.queue)
    async with site.workers_of(shares):
        site.job_s = 0.01
        idle_s = [await site.delay_of(busy, other(number=10_000 + number)) for number in range(5)]
        site.job_s = 0
        await site.add_many(busy, 3 * slots, kind=full)
        await site.until(5 + slots)
        delays_s = [
            await site.delay_of(busy, other(number=20_000)),
            await site.delay_of(newcomer, other(number=1)),
            await site.delay_of(newcomer, full(number=2)),
        ]
        assert len(site.starts) == 5 + slots + 3
        assert await site.wakeups_waiting(full.queue) <= 1
        site.may_end.set()
        await site.until(5 + 3 * slots + 3)
    assert max(delays_s) < max(0.5, 3 * max(idle_s))
    assert set(Counter((tenant, number) for tenant, number, _ in site.starts).values()) == {1}


async def test_the_first_job_of_a_tenant_waits_for_one_turn_behind_ten_thousand_of_another(
    site: JobSite, make: Factory
) -> None:
    busy, newcomer = [(await make.principal()).tenant_id for _ in range(2)]
    site.job_s = 0.05
    await site.add_many(busy, 10_000)
    async with site.worker(2):
        await site.until(10)
        await site.add(newcomer, Chore(number=1))
        before = len(site.starts)
        while newcomer not in {tenant for tenant, _, _ in site.starts}:  # noqa: ASYNC110 - jobs tell nobody
            await asyncio.sleep(0.002)
        ahead = [tenant for tenant, _, _ in site.starts[before:]].index(newcomer)
    assert ahead <= 4  # those that started while it was relayed, and one turn of both slots


async def test_long_jobs_of_one_tenant_leave_room_for_another(site: JobSite, make: Factory) -> None:
    busy, newcomer = [(await make.principal()).tenant_id for _ in range(2)]
    async with site.worker(50, reserve=13):
        site.job_s = 0.01
        idle_s = await site.delay_of(newcomer, Chore(number=1))
        site.job_s = 0
        await site.add_many(busy, 60)
        await site.until(51)
        assert await site.delay_of(newcomer, Chore(number=2)) < max(3 * idle_s, 0.5)


async def test_long_jobs_of_one_user_leave_room_for_a_colleague(site: JobSite, make: Factory) -> None:
    user = await make.principal()
    colleague = await make.principal(beside=user)
    async with site.worker(8, reserve=2):
        await site.add_many(user.tenant_id, 60, user.user_id)
        await site.until(8)
        await site.add(user.tenant_id, Chore(number=-1), user_id=colleague.user_id)
        await site.until(9, timeout_s=5)
    assert site.starts[-1][1] == -1


async def test_interactive_jobs_come_first_until_background_ones_have_waited_for_long(
    site: JobSite, make: Factory
) -> None:
    tenant_id = (await make.principal()).tenant_id
    site.job_s = 0.01
    for number in range(3):
        await site.add(tenant_id, LaterChore(number=number))
    async with site.db.system() as session:
        waited = text("UPDATE job SET run_after = run_after - make_interval(secs => :s) WHERE key = 'later 1'")
        await session.execute(waited, {"s": PROMOTE_AFTER_S + 1})
    await Reaper(site.db, interval_s=1, lease_s=60).look()
    for number in range(10, 13):
        await site.add(tenant_id, Chore(number=number))
    async with site.worker(1):
        await site.until(6)
    assert [number for _, number, _ in site.starts] == [1, 10, 11, 12, 0, 2]


async def test_jobs_start_without_any_wakeup(site: JobSite, make: Factory) -> None:
    tenant_id = (await make.principal()).tenant_id
    site.job_s = 0.01
    async with site.worker(2, is_woken=False):
        await asyncio.sleep(0.3)
        await site.add(tenant_id, Chore(number=1))
        await site.until(1, timeout_s=3)


async def test_jobs_start_though_redis_forgot_their_wakeup(site: JobSite, make: Factory) -> None:
    tenant_id = (await make.principal()).tenant_id
    async with site.worker(1):
        await site.add(tenant_id, Chore(number=1))
        await site.until(1)
        await site.add(tenant_id, Chore(number=2))
        await asyncio.sleep(0.3)
        await site.redis.commands.execute("FLUSHDB")
        site.may_end.set()
        await site.until(2, timeout_s=3)


async def test_a_delayed_job_starts_when_its_pause_is_over(site: JobSite, make: Factory) -> None:
    tenant_id = (await make.principal()).tenant_id
    async with site.worker(2):
        asked_at = await site.add(tenant_id, Chore(number=1), delay_s=0.5)
        await site.until(1, timeout_s=5)
    assert site.started_at(tenant_id, 1) - asked_at >= 0.5


async def test_several_workers_do_every_job_once(site: JobSite, make: Factory) -> None:
    tenants = [(await make.principal()).tenant_id for _ in range(3)]
    site.job_s = 0.001
    for tenant_id in tenants:
        await site.add_many(tenant_id, 100)
    async with site.worker(5), site.worker(5), site.worker(5):
        await site.until(300)
        await asyncio.sleep(0.2)
    assert set(Counter((tenant, number) for tenant, number, _ in site.starts).values()) == {1}
    assert len(site.starts) == 300


async def test_jobs_of_a_lane_run_one_after_the_other_beside_others(site: JobSite, make: Factory) -> None:
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


async def test_a_worker_that_stops_gives_its_jobs_to_another(site: JobSite, make: Factory) -> None:
    tenant_id = (await make.principal()).tenant_id
    await site.add_many(tenant_id, 3)
    async with site.worker(3):
        await site.until(3)
    async with site.worker(3):
        await site.until(6, timeout_s=5)
    assert Counter(number for _, number, _ in site.starts) == {1: 2, 2: 2, 3: 2}
