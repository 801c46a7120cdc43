"""Asking for work, inside the transaction of the change that asks for it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from nexent_gql.jobs.tables import Job, JobState, Outbox
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.json import JsonObject

CHANNEL = "nexent_outbox"


class Work(BaseModel):
    """A kind of job: the fields are its payload."""

    model_config = ConfigDict(frozen=True)

    name: ClassVar[str]
    queue: ClassVar[str]

    @property
    def key(self) -> str:
        """What makes the job unique in its tenant."""
        raise NotImplementedError

    @property
    def lane(self) -> str | None:
        """Jobs of one lane run one after the other; None: no order."""
        return None


async def enqueue(session: AsyncSession, tenant_id: UUID, work: Work, *, delay_s: float = 0) -> UUID:
    """Write a job and its wake-up; the same key again returns the job that is there."""
    row: dict[str, object] = {
        "id": new_id(),
        "tenant_id": tenant_id,
        "name": work.name,
        "queue": work.queue,
        "key": work.key,
        "lane": work.lane,
        "payload": work.model_dump(mode="json"),
        "run_after": func.clock_timestamp() + timedelta(seconds=delay_s),
        "created_at": func.clock_timestamp(),
        "woken_at": func.clock_timestamp(),
    }
    query = insert(Job).values(row).on_conflict_do_nothing(index_elements=["tenant_id", "key"]).returning(col(Job.id))
    job_id = (await session.execute(query)).scalar_one_or_none()
    if job_id is None:
        known = select(col(Job.id)).where(col(Job.tenant_id) == tenant_id, col(Job.key) == work.key)
        return (await session.execute(known)).scalar_one()
    await wake(session, tenant_id, job_id, work.queue)
    return job_id


async def wake(session: AsyncSession, tenant_id: UUID, job_id: UUID, queue: str) -> None:
    """Hand a wake-up on once this transaction is committed."""
    await send(session, tenant_id, "wake", {"job_id": str(job_id), "queue": queue})


async def poke(session: AsyncSession, tenant_id: UUID, topic: str) -> None:
    """Make a topic's live readers read again once this transaction is committed."""
    await send(session, tenant_id, "poke", {"topic": topic})


async def publish(session: AsyncSession, tenant_id: UUID, topic: str, entries: Sequence[JsonObject]) -> None:
    """Append entries to a topic's log once this transaction is committed, whatever becomes of this process."""
    await send(session, tenant_id, "publish", {"topic": topic, "entries": list(entries)})


async def send(session: AsyncSession, tenant_id: UUID, kind: str, payload: JsonObject) -> None:
    """Write a message to the outbox and ring the relay's bell."""
    session.add(Outbox(tenant_id=tenant_id, kind=kind, payload=payload))
    await session.execute(text(f"SELECT pg_notify('{CHANNEL}', '')"))


async def request_cancel(session: AsyncSession, job_id: UUID) -> JobState | None:
    """Cancel a job and return the state it has now; None: no such job.

    A job that never ran is CANCELLED after this. Another one is told: its worker, or the next one to claim
    it, ends it within moments and says so itself.
    """
    query = select(Job).where(col(Job.id) == job_id).with_for_update()
    job = (await session.scalars(query)).one_or_none()
    if job is None:
        return None
    if job.state == JobState.QUEUED and job.fence == 0:
        await finish_job(session, job, JobState.CANCELLED)
    elif job.finished_at is None:
        job.cancel_requested = True
        session.add(job)
        await send(session, job.tenant_id, "cancel", {"job_id": str(job_id)})
    return JobState(job.state)


async def cancel_lane(session: AsyncSession, lane: str) -> None:
    """Cancel every unfinished job of a lane."""
    query = select(col(Job.id)).where(col(Job.lane) == lane, col(Job.finished_at).is_(None))
    for job_id in (await session.scalars(query)).all():
        await request_cancel(session, job_id)


async def finish_job(session: AsyncSession, job: Job, state: JobState, *, error: str | None = None) -> None:
    """Make a locked job final, forget its steps, and wake the next one of its lane."""
    job.state, job.error, job.lease_owner, job.lease_until = state, error, None, None
    job.finished_at = await database_now(session)
    session.add(job)
    await session.execute(text("DELETE FROM job_step WHERE job_id = :id"), {"id": job.id})
    if job.lane is not None:
        await _wake_next(session, job, job.lane)


async def database_now(session: AsyncSession) -> datetime:
    """Return the database's clock, the only one that leases are measured with."""
    return (await session.execute(select(func.clock_timestamp()))).scalar_one()


async def _wake_next(session: AsyncSession, job: Job, lane: str) -> None:
    waiting = (
        select(Job)
        .where(col(Job.lane) == lane, col(Job.state) == JobState.QUEUED, col(Job.id) != job.id)
        .order_by(col(Job.position))
        .limit(1)
    )
    following = (await session.scalars(waiting)).one_or_none()
    if following is not None:
        await wake(session, following.tenant_id, following.id, following.queue)
