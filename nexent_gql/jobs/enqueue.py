"""Enqueue and cancel jobs, and write messages to the outbox, inside the transaction of the change that needs them."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from nexent_gql.jobs.tables import NO_USER, Job, JobState, Outbox
from nexent_gql.jobs.work import Work
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.json import JsonObject

_TOPICS_AT_ONCE = 100
CHANNEL = "nexent_outbox"
"""The channel that a trigger of the outbox notifies when rows are committed."""


def notify_readers_of(topic: str) -> str:
    """Return the statement of `notify_readers` for a topic as SQL, for use in a larger statement; a FROM may follow."""
    return f"""
    INSERT INTO outbox (tenant_id, kind, payload)
    SELECT :tenant, 'notify_readers', jsonb_build_object('topic', {topic})
"""


NOTIFY_READERS = notify_readers_of("CAST(:topic AS text)")

_ENQUEUE = text("""
    WITH made AS (
        INSERT INTO job (id, tenant_id, user_id, name, queue, priority, can_rerun, key, lane, payload,
                         run_after, created_at, enqueued_at)
        VALUES (:id, :tenant, :user, :name, :queue, :priority, :can_rerun, :key, :lane, CAST(:payload AS jsonb),
                clock_timestamp() + make_interval(secs => :delay_s), clock_timestamp(), clock_timestamp())
        ON CONFLICT (tenant_id, key) DO NOTHING RETURNING id, tenant_id, queue
    ), woken AS (
        INSERT INTO outbox (tenant_id, kind, payload)
        SELECT tenant_id, 'wake', jsonb_build_object('queue', queue) FROM made WHERE :delay_s = 0
    )
    SELECT id FROM made
""")
_FINISH = text("""
    WITH ended AS (
        UPDATE job SET state = :state, error = :error, lease_owner = NULL, lease_until = NULL,
               finished_at = clock_timestamp()
         WHERE id = :id AND fence = :fence AND state = :current_state RETURNING id, lane
    ), forgotten AS (
        DELETE FROM job_step USING ended WHERE job_step.job_id = ended.id AND CAST(:state AS text) <> 'DEAD'
    ), woken AS (
        INSERT INTO outbox (tenant_id, kind, payload)
        SELECT following.tenant_id, 'wake', jsonb_build_object('queue', following.queue)
          FROM ended CROSS JOIN LATERAL (
               SELECT tenant_id, queue FROM job WHERE lane = ended.lane AND state = 'QUEUED' AND id <> ended.id
                ORDER BY position LIMIT 1) AS following
    )
    SELECT id FROM ended
""")


async def enqueue(
    session: AsyncSession,
    tenant_id: UUID,
    work: Work,
    *,
    user_id: UUID | None = None,
    delay_s: float = 0,
    key: str | None = None,
) -> UUID:
    """Write a job and its wake-up, or return the existing job with the same key.

    Args:
        session: A transaction of the tenant; the job exists once it commits.
        tenant_id: The owner. Tenants of a queue take turns.
        work: The kind of job and its payload.
        user_id: The user that the job acts for. Users of a tenant take turns; None counts as a user of its own.
        delay_s: Seconds until the job may start.
        key: Unique within the tenant; by default `work.key`.
    """
    key = work.key if key is None else key
    values = {
        "id": new_id(),
        "tenant": tenant_id,
        "user": user_id or NO_USER,
        "priority": work.priority,
        "can_rerun": work.can_rerun,
        "name": work.name,
        "queue": work.queue,
        "key": key,
        "lane": work.lane,
        "payload": work.model_dump_json(),
        "delay_s": delay_s,
    }
    with session.no_autoflush:  # pending changes of the session are unrelated
        job_id = (await session.execute(_ENQUEUE, values)).scalar_one_or_none()
    if job_id is not None:
        return job_id
    query = select(col(Job.id)).where(col(Job.tenant_id) == tenant_id, col(Job.key) == key)
    return (await session.execute(query)).scalar_one()


async def notify_readers(session: AsyncSession, tenant_id: UUID, topic: str) -> None:
    """Tell a topic's live readers to read again after the commit of this transaction."""
    await send(session, tenant_id, "notify_readers", {"topic": topic})


async def publish(session: AsyncSession, tenant_id: UUID, topic: str, entries: Sequence[JsonObject]) -> None:
    """Append entries to a topic's log after the commit of this transaction, even if this process dies."""
    await send(session, tenant_id, "publish", {"topic": topic, "entries": list(entries)})


async def erase_topics(session: AsyncSession, tenant_id: UUID, topics: Sequence[str]) -> None:
    """Delete all entries of topics after the commit of this transaction, and refuse later writes to them."""
    for start in range(0, len(topics), _TOPICS_AT_ONCE):
        await send(session, tenant_id, "erase", {"topics": list(topics[start : start + _TOPICS_AT_ONCE])})


async def send(session: AsyncSession, tenant_id: UUID, kind: str, payload: JsonObject) -> None:
    """Write a message to the outbox; a trigger notifies the relay on commit."""
    session.add(Outbox(tenant_id=tenant_id, kind=kind, payload=payload))


async def request_cancel(session: AsyncSession, job_id: UUID) -> JobState | None:
    """Cancel a job and return the state it has now; None: no such job.

    A job that never ran is CANCELLED at once. Otherwise its worker, or the next one to claim it, is notified
    and sets the final state.
    """
    query = select(Job).where(col(Job.id) == job_id).with_for_update()
    job = (await session.scalars(query)).one_or_none()
    if job is None:
        return None
    if job.state == JobState.QUEUED and job.fence == 0:
        await finish_job(session, job_id, 0, JobState.QUEUED, JobState.CANCELLED)
        return JobState.CANCELLED
    if job.finished_at is None:
        job.cancel_requested = True
        session.add(job)
        await send(session, job.tenant_id, "cancel", {"job_id": str(job_id)})
    return JobState(job.state)


async def cancel_lane(session: AsyncSession, lane: str) -> None:
    """Cancel every unfinished job of a lane."""
    query = select(col(Job.id)).where(col(Job.lane) == lane, col(Job.finished_at).is_(None))
    for job_id in (await session.scalars(query)).all():
        await request_cancel(session, job_id)


async def finish_job(
    session: AsyncSession,
    job_id: UUID,
    fence: int,
    current_state: JobState,
    state: JobState,
    *,
    error: str | None = None,
) -> bool:
    """Make a job final and wake the next one of its lane; False when its state is no longer `current_state`.

    Its steps are deleted, except those of a dead job: an operator may run it again.
    """
    values = {"id": job_id, "fence": fence, "current_state": current_state, "state": state, "error": error}
    return (await session.execute(_FINISH, values)).first() is not None
