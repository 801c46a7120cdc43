"""What a failed attempt costs a job, and what becomes of a job that used all of them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import ClassVar
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text
from structlog.testing import capture_logs

from nexent_gql.db.session import Database, DatabaseUnavailableError
from nexent_gql.jobs.enqueue import enqueue
from nexent_gql.jobs.lease import Lease
from nexent_gql.jobs.registry import JobHandler, JobRegistry
from nexent_gql.jobs.runner import JobRunner
from nexent_gql.jobs.tables import Job, JobState
from nexent_gql.jobs.work import RetryPolicy, Work
from nexent_gql.kernel.errors import ProviderUnavailableError
from nexent_gql.telemetry.jobs import JobMetrics
from tests.support.factory import Factory


class Fetch(Work):
    name: ClassVar[str] = "fetch"
    queue: ClassVar[str] = "fetches"
    retry: ClassVar[RetryPolicy] = RetryPolicy(max_attempts=3, base_delay_s=0.1, max_age_s=60)
    url: str

    @property
    def key(self) -> str:
        return self.url


class Worker:
    """Runs one job until it has ended, and notes when its attempts began."""

    def __init__(self, database: Database, run: Callable[[Lease, Fetch], Awaitable[None]]) -> None:
        self.abandoned: list[Fetch] = []
        self.attempts: list[float] = []
        self.metrics = CollectorRegistry()
        self._db = database
        self._run = run
        registry = JobRegistry([JobHandler(Fetch, self.run, self.abandon)])
        self.runner = JobRunner(database, registry, owner="test", lease_s=30, metrics=JobMetrics(self.metrics))

    async def run(self, lease: Lease, work: Fetch) -> None:
        self.attempts.append(asyncio.get_running_loop().time())
        await self._run(lease, work)

    async def abandon(self, _lease: Lease, work: Fetch) -> None:
        self.abandoned.append(work)

    async def until_ended(self, job_id: UUID) -> Job:
        async with asyncio.timeout(20):
            while True:
                await self.runner.run(job_id)
                async with self._db.system() as session:
                    job = await session.get_one(Job, job_id)
                if job.finished_at is not None:
                    return job
                await asyncio.sleep(0.02)


async def unreachable(_lease: Lease, _work: Fetch) -> None:
    raise ProviderUnavailableError("The archive does not answer.")


async def add(database: Database, make: Factory) -> UUID:
    tenant_id = (await make.principal()).tenant_id
    async with database.transaction(tenant_id) as session:
        return await enqueue(session, tenant_id, Fetch(url="https://example.com"))


async def change(database: Database, statement: str) -> None:
    async with database.system() as session:
        await session.execute(text(statement))


async def test_a_provider_that_is_down_costs_attempts_with_growing_pauses_and_then_the_job(
    database: Database, make: Factory
) -> None:
    worker = Worker(database, unreachable)
    job_id = await add(database, make)
    with capture_logs() as logs:
        job = await worker.until_ended(job_id)
    assert (job.state, job.failures) == (JobState.DEAD, 3)
    assert job.error == "PROVIDER_UNAVAILABLE: The archive does not answer."
    assert worker.abandoned == [Fetch(url="https://example.com")]
    first, second, third = worker.attempts
    assert second - first >= 0.05
    assert third - second >= 0.1
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["job.dead"]
    figures = {name: worker.metrics.get_sample_value(name, {"job": "fetch"}) for name in ("nexent_jobs_dead_total",)}
    assert figures == {"nexent_jobs_dead_total": 1}


async def test_an_outage_of_our_database_costs_nothing(database: Database, make: Factory) -> None:
    outages = 4

    async def away(_lease: Lease, _work: Fetch) -> None:
        if len(worker.attempts) <= outages:
            raise DatabaseUnavailableError("The database does not answer.")

    worker = Worker(database, away)
    job = await worker.until_ended(await add(database, make))
    assert (job.state, job.failures, worker.abandoned) == (JobState.DONE, 0, [])


async def test_a_job_that_is_too_old_is_given_up(database: Database, make: Factory) -> None:
    worker = Worker(database, unreachable)
    job_id = await add(database, make)
    await change(database, "UPDATE job SET enqueued_at = enqueued_at - interval '61 s'")
    job = await worker.until_ended(job_id)
    assert (job.state, job.failures, len(worker.attempts), len(worker.abandoned)) == (JobState.DEAD, 0, 0, 1)
    assert job.error is not None
    assert job.error.startswith("not done within 6")


async def test_a_job_whose_payload_nobody_can_read_is_dead_at_last(database: Database, make: Factory) -> None:
    worker = Worker(database, unreachable)
    job_id = await add(database, make)
    await change(database, "UPDATE job SET payload = '{}'")
    job = await worker.until_ended(job_id)
    assert (job.state, job.failures, worker.attempts, worker.abandoned) == (JobState.DEAD, 3, [], [])
    assert "url" in (job.error or "")


async def test_a_handler_that_cannot_give_up_is_asked_again(database: Database, make: Factory) -> None:
    worker = Worker(database, unreachable)
    job_id = await add(database, make)
    tries: list[int] = []

    async def abandon(lease: Lease, _work: Fetch) -> None:
        tries.append(lease.failures)
        if len(tries) == 1:
            raise DatabaseUnavailableError("The database does not answer.")
        if len(tries) == 2:
            raise ZeroDivisionError

    registry = JobRegistry([JobHandler(Fetch, worker.run, abandon)])
    worker.runner = JobRunner(database, registry, owner="test", lease_s=30)
    job = await worker.until_ended(job_id)
    assert (job.state, tries) == (JobState.DEAD, [3, 3, 4])


async def test_a_worker_leaves_a_kind_of_job_that_it_does_not_know(database: Database, make: Factory) -> None:
    worker = Worker(database, unreachable)
    job_id = await add(database, make)
    await change(database, "UPDATE job SET name = 'of the next release'")
    assert not await worker.runner.run(job_id)
    async with database.system() as session:
        job = await session.get_one(Job, job_id)
    assert (job.state, job.fence, job.failures) == (JobState.QUEUED, 0, 0)


@pytest.mark.parametrize(("failures", "longest"), [(1, 2.0), (2, 4.0), (4, 16.0), (5, 20.0), (5_000, 20.0)])
def test_pauses_grow_up_to_a_limit_and_are_spread(failures: int, longest: float) -> None:
    policy = RetryPolicy(base_delay_s=2, max_delay_s=20)
    delays = {policy.delay_s(failures) for _ in range(100)}
    assert longest / 2 <= min(delays) < max(delays) <= longest
    assert len(delays) > 50
