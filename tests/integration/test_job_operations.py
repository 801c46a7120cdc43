"""What operators see of jobs, and what they can do with dead ones."""

import asyncio
import json
from contextlib import suppress
from typing import ClassVar
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text

from nexent_gql.adapters.events_memory import MemoryEventLog
from nexent_gql.adapters.wakeups_memory import MemoryWakeups
from nexent_gql.db.session import Database
from nexent_gql.jobs import operations
from nexent_gql.jobs.enqueue import enqueue, send
from nexent_gql.jobs.housekeeping import JobPurger, PurgeJobs
from nexent_gql.jobs.lease import Lease
from nexent_gql.jobs.operations import JobNotDeadError, JobNotFoundError, JobNotRetryableError
from nexent_gql.jobs.queues import announce_queues, queue_status, report
from nexent_gql.jobs.registry import JobHandler, JobRegistry
from nexent_gql.jobs.relay import MAX_FAILURES, Relay
from nexent_gql.jobs.runner import JobRunner
from nexent_gql.jobs.tables import Job, JobState
from nexent_gql.jobs.work import RetryPolicy, Work
from nexent_gql.kernel.errors import ProviderUnavailableError
from nexent_gql.kernel.ids import new_id
from nexent_gql.telemetry.jobs import QueueMetrics
from tests.support.factory import Factory


class Export(Work):
    name: ClassVar[str] = "export"
    queue: ClassVar[str] = "exports"
    retry: ClassVar[RetryPolicy] = RetryPolicy(max_attempts=1)
    number: int = 1

    @property
    def key(self) -> str:
        return f"export {self.number}"


class LastExport(Export):
    name: ClassVar[str] = "last_export"
    can_rerun: ClassVar[bool] = False


class Provider:
    """A service that jobs need, with a first step that is done once."""

    def __init__(self, database: Database) -> None:
        self.is_up = False
        self.first_steps = 0
        handlers = [JobHandler(kind, self.run, self.abandon) for kind in (Export, LastExport)]
        self.runner = JobRunner(database, JobRegistry(handlers), owner="test", lease_s=30)

    async def run(self, lease: Lease, _work: Export) -> None:
        if "first" not in await lease.steps():
            self.first_steps += 1
            await lease.record("first", {})
        if not self.is_up:
            raise ProviderUnavailableError("The provider is down.")

    async def abandon(self, _lease: Lease, _work: Export) -> None:
        """Leave nothing behind."""


@pytest.fixture
async def tenant_id(make: Factory) -> UUID:
    return (await make.principal()).tenant_id


async def add(database: Database, tenant_id: UUID, work: Export) -> UUID:
    async with database.transaction(tenant_id) as session:
        return await enqueue(session, tenant_id, work)


async def state(database: Database, job_id: UUID) -> str:
    async with database.system() as session:
        return (await session.get_one(Job, job_id)).state


async def give_up(database: Database, provider: Provider, job_id: UUID) -> None:
    for _ in range(2):
        await provider.runner.run(job_id)
    assert await state(database, job_id) == JobState.DEAD


async def test_a_dead_job_is_listed_and_completed_by_a_retry_without_repeating_its_steps(
    database: Database, tenant_id: UUID
) -> None:
    provider = Provider(database)
    job_id, waiting_id = [await add(database, tenant_id, Export(number=number)) for number in (1, 2)]
    await give_up(database, provider, job_id)
    (dead,) = await operations.list_jobs(database, dead=True, limit=10)
    assert (dead.id, dead.state, dead.error) == (job_id, "DEAD", "PROVIDER_UNAVAILABLE: The provider is down.")
    assert [entry.id for entry in await operations.list_jobs(database, dead=False, limit=10)] == [waiting_id]
    provider.is_up = True
    await operations.retry(database, job_id)
    assert await state(database, job_id) == JobState.QUEUED
    await provider.runner.run(job_id)
    assert (await state(database, job_id), provider.first_steps) == (JobState.DONE, 1)
    assert await operations.list_jobs(database, dead=True, limit=10) == []


async def test_a_retried_job_has_all_attempts_of_its_policy_again(database: Database, tenant_id: UUID) -> None:
    provider = Provider(database)
    job_id = await add(database, tenant_id, Export())
    async with database.system() as session:
        await session.execute(text("UPDATE job SET enqueued_at = enqueued_at - interval '30 days'"))
    await provider.runner.run(job_id)
    assert await state(database, job_id) == JobState.DEAD
    assert provider.first_steps == 0
    provider.is_up = True
    await operations.retry(database, job_id)
    await provider.runner.run(job_id)
    assert (await state(database, job_id), provider.first_steps) == (JobState.DONE, 1)


async def test_a_dead_job_stays_until_it_is_dropped(database: Database, tenant_id: UUID) -> None:
    provider = Provider(database)
    job_id = await add(database, tenant_id, Export())
    await give_up(database, provider, job_id)
    await JobPurger(retention_s=-1).run(Lease(database, new_id(), tenant_id, PurgeJobs.name, 1), PurgeJobs())
    assert await state(database, job_id) == JobState.DEAD
    await operations.drop(database, job_id)
    with pytest.raises(JobNotFoundError):
        await operations.drop(database, job_id)


async def test_only_dead_jobs_are_retried_or_dropped_and_none_that_ended_for_good(
    database: Database, tenant_id: UUID
) -> None:
    provider = Provider(database)
    waiting, last = await add(database, tenant_id, Export()), await add(database, tenant_id, LastExport(number=2))
    await give_up(database, provider, last)
    for refused in (operations.retry(database, waiting), operations.drop(database, waiting)):
        with pytest.raises(JobNotDeadError):
            await refused
    with pytest.raises(JobNotRetryableError):
        await operations.retry(database, last)
    for unknown in (new_id(), 4_711):
        with pytest.raises(JobNotFoundError):
            await operations.retry(database, unknown)


async def test_a_parked_message_is_listed_delivered_again_or_dropped(database: Database, tenant_id: UUID) -> None:
    async with database.transaction(tenant_id) as session:
        for _ in range(2):
            await send(session, tenant_id, "cancel", {"job_id": "no id"})
    relay = Relay(database, MemoryWakeups(), MemoryEventLog())
    for _ in range(MAX_FAILURES):
        await relay.relay()
        async with database.system() as session:
            await session.execute(text("UPDATE outbox SET retry_at = NULL"))
    parked = await operations.list_jobs(database, dead=True, limit=10)
    assert [(entry.name, entry.state) for entry in parked] == [("message cancel", "PARKED")] * 2
    await operations.drop(database, parked[0].id)
    async with database.system() as session:
        await session.execute(
            text("UPDATE outbox SET payload = :payload"), {"payload": json.dumps({"job_id": str(new_id())})}
        )
    await operations.retry(database, parked[1].id)
    assert await relay.relay() == 1
    assert await operations.list_jobs(database, dead=True, limit=10) == []


async def test_a_queue_without_a_live_worker_is_reported_until_there_is_one(
    database: Database, tenant_id: UUID
) -> None:
    registry = CollectorRegistry()
    metrics = QueueMetrics(registry)

    async def look() -> tuple[bool, float | None]:
        (queue,) = await queue_status(database)
        report([queue], metrics)
        return queue.is_unserved, registry.get_sample_value("nexent_queue_unserved_jobs", {"queue": "exports"})

    assert await queue_status(database) == []
    await add(database, tenant_id, Export())
    assert await look() == (True, 1)
    others, worker = [
        asyncio.create_task(announce_queues(database, name, queues))
        for name, queues in (("others", ["runs"]), ("worker", ["light", "exports"]))
    ]
    async with asyncio.timeout(5):
        while (await look())[0]:  # noqa: ASYNC110 - Postgres tells nobody
            await asyncio.sleep(0.01)
    worker.cancel()
    with suppress(asyncio.CancelledError):
        await worker
    assert await look() == (True, 1)
    others.cancel()
    await asyncio.wait([others])


async def test_a_worker_that_is_silent_counts_as_gone(database: Database, tenant_id: UUID) -> None:
    await add(database, tenant_id, Export())
    async with database.system() as session:
        add_worker = text("INSERT INTO job_worker VALUES ('dead', ARRAY['exports'], now() - interval '1 minute')")
        await session.execute(add_worker)
    (queue,) = await queue_status(database)
    assert (queue.workers, queue.is_unserved) == (0, True)
