"""Operators' commands for jobs and undeliverable outbox messages."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from nexent_gql.db.session import Database
from nexent_gql.kernel.errors import ConflictError, NotFoundError

_JOBS = text("""
    SELECT id, tenant_id, name, queue, state, failures, created_at, error FROM job
     WHERE CASE WHEN :dead THEN state = 'DEAD' ELSE finished_at IS NULL END
     ORDER BY created_at DESC LIMIT :most
""")
_MESSAGES = text("""
    SELECT id, tenant_id, kind, failures, created_at, error FROM outbox
     WHERE CASE WHEN :dead THEN parked_at IS NOT NULL ELSE failures > 0 END
     ORDER BY id DESC LIMIT :most
""")
_RETRY_JOB = text("""
    WITH requeued AS (
        UPDATE job SET state = 'QUEUED', failures = 0, cancel_requested = false, finished_at = NULL,
               enqueued_at = clock_timestamp(), run_after = clock_timestamp()
         WHERE id = :id AND state = 'DEAD' AND can_rerun RETURNING id, tenant_id, queue
    ), woken AS (
        INSERT INTO outbox (tenant_id, kind, payload)
        SELECT tenant_id, 'wake', jsonb_build_object('queue', queue) FROM requeued
    )
    SELECT id FROM requeued
""")
_DROP_JOB = text("DELETE FROM job WHERE id = :id AND state = 'DEAD' RETURNING id")
_RETRY_MESSAGE = text("""
    UPDATE outbox SET failures = 0, retry_at = NULL, parked_at = NULL
     WHERE id = :id AND parked_at IS NOT NULL RETURNING id
""")
_DROP_MESSAGE = text("DELETE FROM outbox WHERE id = :id AND parked_at IS NOT NULL RETURNING id")
_FIND_JOB = text("SELECT name, state FROM job WHERE id = :id")


class JobNotFoundError(NotFoundError):
    """No job or message has that id."""

    def __init__(self, id_: UUID | int) -> None:
        super().__init__(f"There is no such job or message: {id_}.")


class JobNotDeadError(ConflictError):
    """Only dead jobs can be retried or dropped."""

    def __init__(self, id_: UUID, state: str) -> None:
        super().__init__(f"The job {id_} is {state}; only dead jobs can be retried or dropped.")


class JobNotRetryableError(ConflictError):
    """The job cannot be retried, because its run has ended."""

    def __init__(self, id_: UUID, name: str) -> None:
        super().__init__(
            f"The job {id_} ({name}) cannot be retried: its result is final. The user can send the request again."
        )


@dataclass(frozen=True, slots=True)
class JobEntry:
    """A job or an outbox message; of a message, `id` is a number and `queue` is empty."""

    id: UUID | int
    tenant_id: UUID
    name: str
    queue: str
    state: str
    failures: int
    created_at: str
    error: str | None


async def list_jobs(db: Database, *, dead: bool, limit: int) -> Sequence[JobEntry]:
    """Return the newest unfinished jobs and failed messages, or with `dead` the dead jobs and parked messages."""
    values = {"dead": dead, "most": limit}
    async with db.system() as session:
        jobs = (await session.execute(_JOBS, values)).all()
        messages = (await session.execute(_MESSAGES, values)).all()
    entries = [
        JobEntry(
            row.id,
            row.tenant_id,
            row.name,
            row.queue,
            row.state,
            row.failures,
            row.created_at.isoformat(timespec="seconds"),
            row.error,
        )
        for row in jobs
    ]
    state = "PARKED" if dead else "RETRYING"
    return entries + [
        JobEntry(
            row.id,
            row.tenant_id,
            f"message {row.kind}",
            "",
            state,
            row.failures,
            row.created_at.isoformat(timespec="seconds"),
            row.error,
        )
        for row in messages
    ]


async def retry(db: Database, id_: UUID | int) -> None:
    """Queue a dead job again with all attempts of its policy; it continues after its last finished step.

    Raises:
        JobNotFoundError: No dead job or parked message has this id.
        JobNotDeadError: The job is in another state.
        JobNotRetryableError: The job's kind does not allow it.
    """
    async with db.system() as session:
        statement = _RETRY_JOB if isinstance(id_, UUID) else _RETRY_MESSAGE
        if (await session.execute(statement, {"id": id_})).first() is not None:
            return
    await _refuse(db, id_)


async def drop(db: Database, id_: UUID | int) -> None:
    """Delete a dead job or a parked message.

    Raises:
        JobNotFoundError: No dead job or parked message has this id.
        JobNotDeadError: The job is in another state.
    """
    async with db.system() as session:
        statement = _DROP_JOB if isinstance(id_, UUID) else _DROP_MESSAGE
        if (await session.execute(statement, {"id": id_})).first() is not None:
            return
    await _refuse(db, id_)


async def _refuse(db: Database, id_: UUID | int) -> None:
    if isinstance(id_, int):
        raise JobNotFoundError(id_)
    async with db.system() as session:
        row = (await session.execute(_FIND_JOB, {"id": id_})).one_or_none()
    if row is None:
        raise JobNotFoundError(id_)
    if row.state != "DEAD":
        raise JobNotDeadError(id_, row.state)
    raise JobNotRetryableError(id_, row.name)
