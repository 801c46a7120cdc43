"""Create, pause and fire schedules."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from pydantic import ValidationError
from sqlalchemy import String, cast, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from nexent_gql.db.session import Database, DatabaseUnavailableError
from nexent_gql.jobs.enqueue import enqueue
from nexent_gql.jobs.registry import JobRegistry
from nexent_gql.jobs.schedule_tables import Schedule
from nexent_gql.jobs.tables import NO_USER
from nexent_gql.jobs.timing import MissedFirings, Timing
from nexent_gql.jobs.work import Work
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.ids import new_id

_PUNCTUAL = timedelta(seconds=60)
_BATCH = 100
_log = structlog.get_logger()


async def put_schedule(
    session: AsyncSession,
    tenant_id: UUID,
    name: str,
    timing: Timing,
    work: Work,
    *,
    now: datetime,
    user_id: UUID = NO_USER,
    missed: MissedFirings = MissedFirings.FIRE_ONCE,
) -> Schedule:
    """Create or change a schedule. A pause is kept, and so is the next firing if `timing` does not change.

    Args:
        session: A transaction of the tenant.
        tenant_id: The owner.
        name: Unique within the tenant.
        timing: The firing times.
        work: The job to enqueue.
        now: The current time.
        user_id: The user that the jobs act for.
        missed: The policy for firings that were missed because no worker ran.

    Raises:
        InvalidScheduleError: `timing` is wrong, or never fires.
    """
    facts: dict[str, object] = {
        "kind": timing.kind,
        "cron": timing.cron,
        "time_zone": timing.time_zone,
        "interval_s": timing.interval_s,
        "at": timing.at,
        "work": work.name,
        "payload": work.model_dump(mode="json"),
        "user_id": user_id,
        "missed": missed,
    }
    first_at = timing.first(now)
    key = {"tenant_id": tenant_id, "name": name}
    new = {**key, **facts, "id": new_id(), "created_at": now, "paused": False, "next_at": first_at}
    await session.execute(insert(Schedule).values(new).on_conflict_do_nothing())
    query = select(Schedule).where(col(Schedule.tenant_id) == tenant_id, col(Schedule.name) == name).with_for_update()
    row = (await session.scalars(query)).one()
    if row.timing != timing:
        row.next_at = first_at
    for fact, value in facts.items():
        setattr(row, fact, value)
    session.add(row)
    return row


def pause(schedule: Schedule) -> None:
    """Stop firing until the schedule is resumed."""
    schedule.paused = True


def resume(schedule: Schedule, now: datetime) -> None:
    """Fire again from now on; firings during the pause are skipped."""
    if schedule.paused:
        schedule.paused = False
        schedule.next_at = schedule.timing.next_after(now)


class ScheduleDispatcher:
    """Turns due firings into jobs, each exactly once, however many dispatchers run.

    One transaction locks the schedule, enqueues its jobs and writes its next firing. Schedules of kinds of work
    that `registry` does not know are left to other workers.
    """

    def __init__(self, db: Database, registry: JobRegistry, clock: Clock, *, interval_s: float = 1.0) -> None:
        self._db = db
        self._registry = registry
        self._clock = clock
        self._interval_s = interval_s

    async def run(self) -> None:
        """Dispatch until cancelled; continues after outages of the database."""
        while True:
            try:
                while await self.dispatch() == _BATCH:
                    continue
            except DatabaseUnavailableError as error:
                _log.warning("schedules.database_unavailable", error=type(error.__cause__).__name__)
            await asyncio.sleep(self._interval_s)

    async def dispatch(self) -> int:
        """Enqueue the jobs of due schedules; returns the number of due schedules."""
        now = self._clock()
        query = (
            select(Schedule)
            .where(~col(Schedule.paused), col(Schedule.next_at) <= now)
            .where(col(Schedule.work).in_(self._registry.names))
            .order_by(col(Schedule.next_at))
            .limit(_BATCH)
            .with_for_update(skip_locked=True)
        )
        async with self._db.system() as session:
            schedules = (await session.scalars(query)).all()
            for schedule in schedules:
                await self._fire(session, schedule, now)
        return len(schedules)

    async def _fire(self, session: AsyncSession, schedule: Schedule, now: datetime) -> None:
        if schedule.next_at is None:
            return
        if (work := self._work(schedule)) is not None:
            for firing in _firings_to_enqueue(schedule, schedule.timing.due(schedule.next_at, now), now):
                key = f"schedule/{schedule.id}/{firing.isoformat()}"
                await enqueue(session, schedule.tenant_id, work, user_id=schedule.user_id, key=key)
                schedule.last_at = firing
        schedule.next_at = schedule.timing.next_after(max(now, schedule.next_at))
        session.add(schedule)

    def _work(self, schedule: Schedule) -> Work | None:
        try:
            return self._registry[schedule.work].work.model_validate(schedule.payload)
        except ValidationError:
            _log.exception("schedules.payload_invalid", schedule=str(schedule.id), work=schedule.work)
            return None


def _firings_to_enqueue(schedule: Schedule, due: Sequence[datetime], now: datetime) -> Sequence[datetime]:
    """Return the firings that become jobs."""
    if schedule.missed == MissedFirings.FIRE_ALL:
        return due
    is_late = now - due[-1] > _PUNCTUAL
    return [] if is_late and schedule.missed == MissedFirings.SKIP else due[-1:]


async def find_schedules(session: AsyncSession, names: Sequence[str] = ()) -> Sequence[Schedule]:
    """Return and lock the schedules with these names or ids, or all if empty, ordered by tenant and name."""
    query = select(Schedule).order_by(col(Schedule.tenant_id), col(Schedule.name))
    if names:
        query = query.with_for_update()
        query = query.where(col(Schedule.name).in_(names) | cast(col(Schedule.id), String).in_(names))
    return (await session.scalars(query)).all()
