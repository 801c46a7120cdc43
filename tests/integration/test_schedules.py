"""Schedules on a real Postgres: fired once across all dispatchers, paused, resumed, and made up for."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import ClassVar
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlmodel import col

from nexent_gql.db.session import Database
from nexent_gql.jobs.lease import Lease
from nexent_gql.jobs.registry import JobHandler, JobRegistry
from nexent_gql.jobs.schedule_tables import NO_TENANT, Schedule
from nexent_gql.jobs.schedules import ScheduleDispatcher, find_schedules, pause, put_schedule, resume
from nexent_gql.jobs.tables import Job, Outbox
from nexent_gql.jobs.timing import MissedFirings, Timing, cron, every, once
from nexent_gql.jobs.work import Work
from nexent_gql.kernel.ids import new_id
from tests.support.factory import Factory
from workers.housekeeping import SYSTEM_SCHEDULES, ensure_system_schedules

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Report(Work):
    name: ClassVar[str] = "report"
    queue: ClassVar[str] = "light"
    title: str = "weekly"

    @property
    def key(self) -> str:
        return "report"


class Untold(Report):
    name: ClassVar[str] = "untold"


async def nothing(_lease: Lease, _work: Report) -> None:
    """These jobs are only written."""


REGISTRY = JobRegistry([JobHandler(Report, nothing, nothing)])


class Calendar:
    """Schedules of one tenant, and a clock that the test moves."""

    def __init__(self, db: Database, tenant_id: UUID) -> None:
        self.db = db
        self.tenant_id = tenant_id
        self.now = START

    def dispatcher(self) -> ScheduleDispatcher:
        return ScheduleDispatcher(self.db, REGISTRY, lambda: self.now)

    async def put(
        self, timing: Timing, work: Work | None = None, missed: MissedFirings = MissedFirings.FIRE_ONCE
    ) -> Schedule:
        async with self.db.transaction(self.tenant_id) as session:
            work = work or Report()
            user_id = UUID(int=7)
            name = f"schedule of {work.name}"
            return await put_schedule(
                session, self.tenant_id, name, timing, work, now=self.now, missed=missed, user_id=user_id
            )

    async def after(self, seconds: float) -> int:
        """Let time pass, dispatch, and return how many jobs there are now."""
        self.now += timedelta(seconds=seconds)
        await self.dispatcher().dispatch()
        return len(await self.jobs())

    async def jobs(self) -> Sequence[Job]:
        async with self.db.system() as session:
            return (await session.scalars(select(Job).order_by(col(Job.position)))).all()

    async def schedule(self) -> Schedule:
        async with self.db.system() as session:
            (schedule,) = await find_schedules(session)
            return schedule


@pytest.fixture
async def calendar(database: Database, make: Factory) -> Calendar:
    return Calendar(database, (await make.principal()).tenant_id)


async def test_a_firing_becomes_a_job_with_a_wake_up(calendar: Calendar) -> None:
    schedule = await calendar.put(every(60), Report(title="monthly"))
    assert await calendar.after(59) == 0
    assert await calendar.after(1) == 1
    (job,) = await calendar.jobs()
    assert (job.name, job.queue, job.tenant_id, job.user_id) == ("report", "light", calendar.tenant_id, UUID(int=7))
    assert job.payload == {"title": "monthly"}
    assert str(schedule.id) in job.key
    async with calendar.db.system() as session:
        assert [row.kind for row in (await session.scalars(select(Outbox))).all()] == ["wake"]
    fired = await calendar.schedule()
    assert (fired.last_at, fired.next_at) == (START + timedelta(seconds=60), START + timedelta(seconds=120))


async def test_every_firing_becomes_one_job_however_many_dispatch(calendar: Calendar) -> None:
    await calendar.put(every(10))
    for _ in range(5):
        calendar.now += timedelta(seconds=10)
        await asyncio.gather(*(calendar.dispatcher().dispatch() for _ in range(8)))
    assert len(await calendar.jobs()) == 5


async def test_a_firing_that_was_dispatched_already_makes_no_second_job(calendar: Calendar) -> None:
    """As if a second dispatcher had read the row before the first one wrote it."""
    await calendar.put(every(10))
    assert await calendar.after(10) == 1
    async with calendar.db.system() as session:
        (schedule,) = await find_schedules(session)
        schedule.next_at = START + timedelta(seconds=10)
        session.add(schedule)
    assert await calendar.after(0) == 1


@pytest.mark.parametrize(
    ("missed", "jobs"), [(MissedFirings.SKIP, 0), (MissedFirings.FIRE_ONCE, 1), (MissedFirings.FIRE_ALL, 3)]
)
async def test_missed_firings(calendar: Calendar, missed: MissedFirings, jobs: int) -> None:
    await calendar.put(cron("0 * * * *"), missed=missed)
    assert await calendar.after(3 * 3600 + 1800) == jobs
    assert (await calendar.schedule()).next_at == START + timedelta(hours=4)
    assert await calendar.after(1800) == jobs + 1


async def test_single_firings_end(calendar: Calendar) -> None:
    await calendar.put(once(START + timedelta(seconds=5)))
    assert await calendar.after(5) == 1
    assert await calendar.after(5) == 1
    assert (await calendar.schedule()).next_at is None


async def test_a_pause_lasts_until_it_is_resumed_and_nothing_is_made_up_for(calendar: Calendar) -> None:
    schedule = await calendar.put(every(60), missed=MissedFirings.FIRE_ALL)
    async with calendar.db.system() as session:
        for schedule_row in await find_schedules(session, [str(schedule.id)]):
            pause(schedule_row)
    await calendar.put(every(60))
    assert await calendar.after(600) == 0
    async with calendar.db.system() as session:
        for schedule_row in await find_schedules(session, [schedule.name]):
            resume(schedule_row, calendar.now)
            resume(schedule_row, calendar.now)
    assert await calendar.after(59) == 0
    assert await calendar.after(1) == 1


async def test_another_time_counts_from_now_and_the_same_time_is_kept(calendar: Calendar) -> None:
    first = await calendar.put(every(60))
    calendar.now += timedelta(seconds=30)
    assert (await calendar.put(every(60), Report(title="new"))).id == first.id
    assert (await calendar.schedule()).next_at == START + timedelta(seconds=60)
    await calendar.put(every(50))
    assert (await calendar.schedule()).next_at == START + timedelta(seconds=80)


async def test_kinds_of_work_that_a_worker_does_not_know_are_left_to_others(calendar: Calendar) -> None:
    await calendar.put(every(60), Untold())
    assert await calendar.after(60) == 0
    assert (await calendar.schedule()).next_at == START + timedelta(seconds=60)


async def test_a_payload_that_does_not_fit_is_passed_over(calendar: Calendar) -> None:
    await calendar.put(every(60))
    async with calendar.db.system() as session:
        (schedule,) = await find_schedules(session)
        schedule.payload = {"title": []}
        session.add(schedule)
    assert await calendar.after(60) == 0
    assert (await calendar.schedule()).next_at == START + timedelta(seconds=120)


async def test_the_schedules_of_the_installation(database: Database) -> None:
    calendar = Calendar(database, NO_TENANT)
    for _ in range(2):
        await asyncio.gather(*(ensure_system_schedules(database, lambda: calendar.now) for _ in range(4)))
    async with database.system() as session:
        schedules = await find_schedules(session)
    assert sorted(schedule.name for schedule in schedules) == sorted(name for name, _, _ in SYSTEM_SCHEDULES)
    assert {schedule.tenant_id for schedule in schedules} == {NO_TENANT}


async def test_tenants_have_names_of_their_own(database: Database) -> None:
    one, other = Calendar(database, new_id()), Calendar(database, new_id())
    await one.put(every(60))
    await other.put(every(60))
    assert await one.after(60) == 2
