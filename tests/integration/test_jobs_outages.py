"""Jobs while Postgres goes away, and a worker that takes a job over from itself: what the chaos harness uncovered."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import ClassVar

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from nexent_gql.adapters.events_memory import MemoryEventLog
from nexent_gql.adapters.wakeups_memory import MemoryWakeups
from nexent_gql.db.pool import create_engine
from nexent_gql.db.session import Database
from nexent_gql.jobs.enqueue import enqueue
from nexent_gql.jobs.lease import CancelReason, Lease
from nexent_gql.jobs.reaper import Reaper
from nexent_gql.jobs.registry import JobHandler, JobRegistry
from nexent_gql.jobs.relay import Relay
from nexent_gql.jobs.runner import JobRunner
from nexent_gql.jobs.tables import Job, JobState
from nexent_gql.jobs.work import Work
from nexent_gql.kernel.errors import UnavailableError
from nexent_gql.kernel.ids import new_id
from tests.support.engines import run_sql
from tests.support.factory import Factory

pytestmark = pytest.mark.slow

EXPIRE = text("UPDATE job SET lease_until = clock_timestamp() - interval '1 second'")


class Chore(Work):
    name: ClassVar[str] = "chore"
    queue: ClassVar[str] = "light"

    @property
    def key(self) -> str:
        return "chore"


@pytest.fixture
async def job(database: Database, make: Factory) -> Job:
    """One job that waits."""
    tenant_id = (await make.principal()).tenant_id
    async with database.transaction(tenant_id) as session:
        job_id = await enqueue(session, tenant_id, Chore())
        return await session.get_one(Job, job_id)


@pytest.fixture
async def nowhere() -> AsyncGenerator[AsyncEngine]:
    """A database that is away."""
    engine = create_engine("postgresql+asyncpg://nobody@127.0.0.1:1/none", pool_size=1)
    yield engine
    await engine.dispose()


async def now(database: Database, job: Job) -> Job:
    async with database.system() as session:
        return await session.get_one(Job, job.id)


async def test_a_dependency_that_is_away_is_not_the_fault_of_the_job(database: Database, job: Job) -> None:
    async def do(_lease: Lease) -> None:
        raise UnavailableError("The log does not answer.")

    runner = JobRunner(database, _registry(do), owner="test", lease_s=30)
    await runner.run(job.id)
    after = await now(database, job)
    assert (after.state, after.failures, after.error) == (JobState.QUEUED, 0, "UNAVAILABLE")


async def test_a_job_that_cannot_be_claimed_waits(nowhere: AsyncEngine) -> None:
    runner = JobRunner(Database(nowhere), JobRegistry([]), owner="test", lease_s=30)
    await runner.run(new_id())


async def test_a_lease_that_ran_out_in_an_outage_may_be_renewed(
    database: Database, nowhere: AsyncEngine, job: Job
) -> None:
    has_claimed, go_on = asyncio.Event(), asyncio.Event()

    async def do(_lease: Lease) -> None:
        has_claimed.set()
        await go_on.wait()

    running = asyncio.create_task(JobRunner(database, _registry(do), owner="test", lease_s=0.6).run(job.id))
    await has_claimed.wait()
    comes_back = Database(nowhere)
    reaper = Reaper(comes_back, interval_s=0.05, lease_s=0.6)
    with capture_logs() as logs:
        looking = asyncio.create_task(reaper.run())
        async with asyncio.timeout(5):
            while not logs:  # noqa: ASYNC110 - logs tell nobody
                await asyncio.sleep(0.01)
    async with database.system() as session:
        await session.execute(EXPIRE)
    comes_back.engine = database.engine
    await asyncio.sleep(0.4)
    go_on.set()
    await running
    looking.cancel()
    after = await now(database, job)
    assert (after.state, after.fence, after.failures) == (JobState.DONE, 1, 0)


async def test_a_worker_takes_a_job_over_from_itself(database: Database, job: Job) -> None:
    """The attempt that lost its lease ends, and neither its beat nor its end harms the one that has it."""
    reasons: dict[int, CancelReason | None] = {}
    fences = asyncio.Queue[int]()
    go_on = asyncio.Event()

    async def do(lease: Lease) -> None:
        fences.put_nowait(lease.fence)
        try:
            await go_on.wait()
        finally:
            reasons[lease.fence] = lease.cancelled

    runner = JobRunner(database, _registry(do), owner="test", lease_s=0.9)
    first = asyncio.create_task(runner.run(job.id))
    assert await fences.get() == 1
    async with database.system() as session:
        await session.execute(EXPIRE)
    await Reaper(database, interval_s=1, lease_s=1).look()
    second = asyncio.create_task(runner.run(job.id))
    assert await fences.get() == 2
    await first
    await asyncio.sleep(0.7)  # two beats of the second, and what would have been two of the first
    go_on.set()
    await second
    after = await now(database, job)
    assert (after.state, after.fence, reasons) == (JobState.DONE, 2, {1: CancelReason.LEASE_LOST, 2: None})


async def test_a_cancelled_task_ends_though_its_connection_broke(database: Database, database_url: str) -> None:
    """The rollback fails, and its error must not take the place of the cancellation."""
    has_begun, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        try:
            async with database.system() as session:
                pid = (await session.execute(text("SELECT pg_backend_pid()"))).scalar_one()
                try:
                    has_begun.set()
                    await asyncio.Event().wait()
                finally:
                    await run_sql(database_url, f"SELECT pg_terminate_backend({pid})")
                    with suppress(ZeroDivisionError):
                        await session.execute(text("SELECT 1"))
        except UnavailableError:
            ended.set()

    task = asyncio.create_task(work())
    await has_begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not ended.is_set()


async def test_a_relay_ends_when_it_is_told_to(nowhere: AsyncEngine) -> None:
    relay = asyncio.create_task(Relay(Database(nowhere), MemoryWakeups(), MemoryEventLog()).run())
    await asyncio.sleep(0.1)
    relay.cancel()
    with pytest.raises(asyncio.CancelledError):
        await relay


def _registry(do: Callable[[Lease], Awaitable[None]]) -> JobRegistry:
    async def run(lease: Lease, _work: Chore) -> None:
        await do(lease)

    return JobRegistry([JobHandler(Chore, run, run)])
