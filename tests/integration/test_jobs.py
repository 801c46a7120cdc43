"""Durable jobs on a real Postgres: claims, fences, lanes, cancels, and taking over from the dead."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, ClassVar, cast
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlmodel import col

from nexent_gql.adapters.events_memory import MemoryEventLog
from nexent_gql.adapters.wakeups_memory import MemoryWakeups
from nexent_gql.db.session import Database
from nexent_gql.jobs.enqueue import CHANNEL, enqueue, request_cancel
from nexent_gql.jobs.lease import CancelReason, Lease, LeaseLostError
from nexent_gql.jobs.reaper import Reaper
from nexent_gql.jobs.registry import JobHandler, JobRegistry
from nexent_gql.jobs.relay import Relay
from nexent_gql.jobs.runner import JobRunner
from nexent_gql.jobs.tables import Job, JobState, JobStep, Outbox
from nexent_gql.jobs.work import RetryPolicy, Work
from nexent_gql.kernel.clock import utc_now
from nexent_gql.kernel.ids import new_id
from tests.support.factory import Factory


class Chore(Work):
    name: ClassVar[str] = "chore"
    queue: ClassVar[str] = "light"
    retry: ClassVar[RetryPolicy] = RetryPolicy(max_attempts=3, base_delay_s=0.1)
    number: int = 0
    row: str | None = None

    @property
    def key(self) -> str:
        return f"chore:{self.number}"

    @property
    def lane(self) -> str | None:
        return self.row


Do = Callable[[Lease], Awaitable[None]]


async def nothing(lease: Lease) -> None:
    """Leave ending the job to the runner."""


class JobHarness:
    """Jobs of one tenant, and workers to do them."""

    def __init__(self, database: Database, tenant_id: UUID) -> None:
        self.db = database
        self.tenant_id = tenant_id
        self.abandoned: list[int] = []

    async def add(self, number: int = 0, row: str | None = None) -> UUID:
        async with self.db.transaction(self.tenant_id) as session:
            return await enqueue(session, self.tenant_id, Chore(number=number, row=row))

    def worker(self, do: Do = nothing, *, lease_s: float = 30) -> JobRunner:
        async def run(lease: Lease, _work: Chore) -> None:
            await do(lease)

        async def abandon(lease: Lease, _work: Chore) -> None:
            self.abandoned.append(lease.fence)

        registry = JobRegistry([JobHandler(Chore, run, abandon)])
        return JobRunner(self.db, registry, owner="test", lease_s=lease_s)

    def reaper(self, *, interval_s: float = 1) -> Reaper:
        return Reaper(self.db, interval_s=interval_s, lease_s=1)

    async def job(self, job_id: UUID) -> Job:
        async with self.db.system() as session:
            return (await session.scalars(select(Job).where(col(Job.id) == job_id))).one()

    async def cancel(self, job_id: UUID) -> JobState | None:
        async with self.db.transaction(self.tenant_id) as session:
            return await request_cancel(session, job_id)

    async def count(self, table: type[Outbox | JobStep | Job]) -> int:
        async with self.db.system() as session:
            return len((await session.scalars(select(table))).all())

    async def let_lease_run_out(self, job_id: UUID) -> None:
        async with self.db.system() as session:
            past = text("UPDATE job SET lease_until = clock_timestamp() - interval '1 second' WHERE id = :id")
            await session.execute(past, {"id": job_id})


@pytest.fixture
async def harness(database: Database, make: Factory) -> JobHarness:
    return JobHarness(database, (await make.principal()).tenant_id)


async def test_a_job_is_done_once(harness: JobHarness) -> None:
    done: list[int] = []

    async def do(lease: Lease) -> None:
        done.append(lease.fence)

    job_id = await harness.add()
    await asyncio.gather(*(harness.worker(do).run(job_id) for _ in range(5)))
    job = await harness.job(job_id)
    assert (done, job.state, job.fence, job.lease_owner) == ([1], JobState.DONE, 1, None)


async def test_the_same_key_is_one_job(harness: JobHarness) -> None:
    ids = await asyncio.gather(*(harness.add(7) for _ in range(10)))
    assert len(set(ids)) == 1
    assert await harness.count(Job) == 1
    assert await harness.count(Outbox) == 1


async def test_jobs_of_a_lane_run_in_order(harness: JobHarness) -> None:
    first, second = await harness.add(1, "a"), await harness.add(2, "a")
    other = await harness.add(3, "b")
    worker = harness.worker()
    await worker.run(second)
    assert (await harness.job(second)).state == JobState.QUEUED
    await worker.run(other)
    assert (await harness.job(other)).state == JobState.DONE
    await worker.run(first)
    await worker.run(second)
    assert (await harness.job(second)).state == JobState.DONE


async def test_the_end_of_a_job_wakes_the_next_of_its_lane(harness: JobHarness) -> None:
    first, second = await harness.add(1, "a"), await harness.add(2, "a")
    await Relay(harness.db, MemoryWakeups(), MemoryEventLog()).relay()
    before = await harness.count(Outbox)
    await harness.worker().run(first)
    async with harness.db.system() as session:
        woken = [row.payload for row in (await session.scalars(select(Outbox))).all()]
    assert (before, woken) == (0, [{"queue": "light"}])
    assert await harness.worker().run(second)


async def test_a_finished_step_is_kept_for_the_next_attempt_and_forgotten_at_the_end(harness: JobHarness) -> None:
    payloads: list[dict[str, object]] = []

    async def do(lease: Lease) -> None:
        payloads.append(dict(await lease.steps()))
        if lease.fence == 1:
            await lease.record("a", {"answer": 42})
            raise RuntimeError("a bug")

    job_id = await harness.add()
    worker = harness.worker(do)
    await worker.run(job_id)
    crashed = await harness.job(job_id)
    assert (crashed.state, crashed.failures) == (JobState.QUEUED, 1)
    await asyncio.sleep(1.1)
    await worker.run(job_id)
    assert payloads == [{}, {"a": {"answer": 42}}]
    assert (await harness.job(job_id)).state == JobState.DONE
    assert await harness.count(JobStep) == 0


async def test_a_zombie_writes_nothing(harness: JobHarness) -> None:
    has_claimed, go_on = asyncio.Event(), asyncio.Event()
    refused: list[str] = []

    async def do(lease: Lease) -> None:
        if lease.fence > 1:
            return
        has_claimed.set()
        await go_on.wait()
        for attempt in (lease.record("a", {}), _end(lease)):
            try:
                await attempt
            except LeaseLostError as error:
                refused.append(error.code)

    job_id = await harness.add()
    zombie = asyncio.create_task(harness.worker(do).run(job_id))
    await has_claimed.wait()
    await harness.let_lease_run_out(job_id)
    assert await harness.reaper().look() == 1
    await harness.worker(do).run(job_id)
    go_on.set()
    await zombie
    job = await harness.job(job_id)
    assert (refused, job.state, job.fence, job.failures) == (["LEASE_LOST"] * 2, JobState.DONE, 2, 1)
    assert await harness.count(JobStep) == 0


async def _end(lease: Lease) -> None:
    async with lease.final_transaction(JobState.DONE):
        pass


async def test_the_beat_keeps_a_long_job(harness: JobHarness) -> None:
    async def do(_lease: Lease) -> None:
        await asyncio.sleep(1.2)

    job_id = await harness.add()
    running = asyncio.create_task(harness.worker(do, lease_s=0.6).run(job_id))
    await asyncio.sleep(0.9)
    assert await harness.reaper().look() == 0
    await running
    assert (await harness.job(job_id)).fence == 1


async def test_a_locked_job_keeps_no_other_from_being_kept(harness: JobHarness) -> None:
    barrier = asyncio.Barrier(3)

    async def do(_lease: Lease) -> None:
        await barrier.wait()
        await asyncio.sleep(1.5)

    locked, free = await harness.add(1), await harness.add(2)
    worker = harness.worker(do, lease_s=0.6)
    running = [asyncio.create_task(worker.run(id_)) for id_ in (locked, free)]
    await asyncio.wait_for(barrier.wait(), 5)
    async with harness.db.system() as session:
        await session.execute(text("SELECT FROM job WHERE id = :id FOR UPDATE"), {"id": locked})
        await asyncio.sleep(0.9)
        until = (await harness.job(free)).lease_until
        assert until
        assert until > utc_now()
        assert not any(task.done() for task in running)
    await asyncio.gather(*running)
    assert [(await harness.job(id_)).state for id_ in (locked, free)] == [JobState.DONE, JobState.DONE]


async def test_a_job_that_kills_its_workers_is_abandoned(harness: JobHarness) -> None:
    attempts: list[int] = []
    started = asyncio.Event()

    async def do(lease: Lease) -> None:
        attempts.append(lease.fence)
        started.set()
        await asyncio.sleep(60)

    job_id = await harness.add()
    for _ in range(3):
        attempt = asyncio.create_task(harness.worker(do).run(job_id))
        await started.wait()
        started.clear()
        await harness.let_lease_run_out(job_id)
        await harness.reaper().look()
        attempt.cancel()
        await asyncio.wait([attempt])
    await harness.worker(do).run(job_id)
    assert (attempts, harness.abandoned) == ([1, 2, 3], [4])
    job = await harness.job(job_id)
    assert (job.state, job.error) == (JobState.DEAD, "the worker died")


async def test_a_queued_job_is_cancelled_at_once(harness: JobHarness) -> None:
    job_id = await harness.add()
    assert await harness.cancel(job_id) is JobState.CANCELLED
    await harness.worker().run(job_id)
    job = await harness.job(job_id)
    assert (job.state, job.fence) == (JobState.CANCELLED, 0)


@pytest.mark.parametrize("cancelled_by", ["by message", "by beat"])
async def test_a_running_job_is_cancelled(harness: JobHarness, cancelled_by: str) -> None:
    started, reasons = asyncio.Event(), list[CancelReason | None]()

    async def do(lease: Lease) -> None:
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            reasons.append(lease.cancelled)
            async with lease.final_transaction(JobState.CANCELLED):
                pass

    job_id = await harness.add()
    worker = harness.worker(do, lease_s=0.3)
    running = asyncio.create_task(worker.run(job_id))
    await started.wait()
    assert await harness.cancel(job_id) is JobState.RUNNING
    if cancelled_by == "by message":
        worker.cancel(job_id)
    await asyncio.wait_for(running, 2)
    assert reasons == [CancelReason.REQUESTED]
    assert (await harness.job(job_id)).state == JobState.CANCELLED


async def test_a_job_cancelled_before_its_claim_ends_by_its_handler(harness: JobHarness) -> None:
    started = asyncio.Event()

    async def do(lease: Lease) -> None:
        if lease.cancelled is None:
            started.set()
            await asyncio.sleep(60)

    job_id = await harness.add()
    first = asyncio.create_task(harness.worker(do).run(job_id))
    await started.wait()
    first.cancel()
    await asyncio.wait([first])
    assert await harness.cancel(job_id) is JobState.QUEUED
    await harness.worker(do).run(job_id)
    job = await harness.job(job_id)
    assert (job.state, job.failures) == (JobState.CANCELLED, 0)


async def test_a_worker_that_stops_gives_its_job_back_uncounted(harness: JobHarness) -> None:
    started = asyncio.Event()

    async def do(_lease: Lease) -> None:
        started.set()
        await asyncio.sleep(60)

    job_id = await harness.add()
    running = asyncio.create_task(harness.worker(do).run(job_id))
    await started.wait()
    running.cancel()
    await asyncio.wait([running])
    job = await harness.job(job_id)
    assert (job.state, job.failures, job.fence) == (JobState.QUEUED, 0, 1)
    await harness.worker().run(job_id)
    assert (await harness.job(job_id)).state == JobState.DONE


async def test_a_worker_that_stops_as_a_handler_begins_gives_its_job_back_uncounted(harness: JobHarness) -> None:
    async def do(_lease: Lease) -> None:
        running.cancel()
        await asyncio.sleep(60)

    job_id = await harness.add()
    running = asyncio.create_task(harness.worker(do).run(job_id))
    await asyncio.wait([running])
    job = await harness.job(job_id)
    assert (job.state, job.failures, job.fence) == (JobState.QUEUED, 0, 1)


async def test_a_worker_that_stops_while_it_claims_leaves_no_job_to_its_lease(harness: JobHarness) -> None:
    """The claim waits for a lock when the stop comes, and is through when nobody waits for it."""
    job_id = await harness.add()
    async with harness.db.system() as session:
        await session.execute(text("SELECT id FROM job WHERE id = :id FOR UPDATE"), {"id": job_id})
        running = asyncio.create_task(harness.worker().run(job_id))
        await _until_somebody_waits(harness)
        running.cancel()
    await asyncio.wait([running])
    job = await harness.job(job_id)
    assert (job.state, job.failures, job.fence) == (JobState.QUEUED, 0, 1)


async def _until_somebody_waits(harness: JobHarness) -> None:
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    async with asyncio.timeout(5), harness.db.system() as session:
        while not (await session.execute(waiting)).scalar_one():  # noqa: ASYNC110 - Postgres tells nobody
            await asyncio.sleep(0.01)


def _ring(rung: asyncio.Event, *_: object) -> None:
    rung.set()


async def test_the_outbox_rings_when_rows_of_it_are_committed_and_only_then(harness: JobHarness) -> None:
    async with harness.db.engine.connect() as connection:
        rung = asyncio.Event()
        listener = cast("Any", (await connection.get_raw_connection()).driver_connection)
        await listener.add_listener(CHANNEL, partial(_ring, rung))
        await harness.worker().run(await harness.add())
        async with asyncio.timeout(5):
            await rung.wait()
        rung.clear()
        with pytest.raises(ZeroDivisionError):
            await _fail(harness)
        async with harness.db.transaction(harness.tenant_id) as session:
            none = text("INSERT INTO outbox (tenant_id, kind, payload) SELECT tenant_id, '', '{}' FROM job LIMIT 0")
            await session.execute(none)
        await connection.execute(text("SELECT 1"))  # a notice that is on its way comes ahead of an answer
        assert not rung.is_set()
        await listener.reset()


async def test_a_rolled_back_change_leaves_no_job(harness: JobHarness) -> None:
    with pytest.raises(ZeroDivisionError):
        await _fail(harness)
    assert await harness.count(Job) == 0
    assert await harness.count(Outbox) == 0


async def _fail(harness: JobHarness) -> None:
    async with harness.db.transaction(harness.tenant_id) as session:
        await enqueue(session, harness.tenant_id, Chore(number=1))
        raise ZeroDivisionError


async def test_an_unknown_job_is_nothing_to_do(harness: JobHarness) -> None:
    await harness.worker().run(new_id())
    assert await harness.cancel(new_id()) is None
