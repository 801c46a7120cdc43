"""A claimed job: the right to write until another worker claims the job."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from nexent_gql.db.session import Database
from nexent_gql.jobs.enqueue import finish_job
from nexent_gql.jobs.tables import JobState, JobStep
from nexent_gql.kernel.errors import ConflictError
from nexent_gql.kernel.json import JsonObject, dumps, loads_object

_LOCK_JOB = text("SELECT id FROM job WHERE id = :id AND fence = :fence AND state = 'RUNNING' FOR SHARE")
_RECORD = text("""
    INSERT INTO job_step (job_id, name, tenant_id, fence, result)
    SELECT id, CAST(:name AS text), tenant_id, fence, CAST(:result AS bytea)
      FROM job WHERE id = :id AND fence = :fence AND state = 'RUNNING' FOR SHARE
    RETURNING fence
""")


class LeaseLostError(ConflictError):
    """Another worker has claimed the job; this attempt must write nothing more."""

    code = "LEASE_LOST"


class CancelReason(StrEnum):
    """Why a job's handler was cancelled."""

    REQUESTED = "REQUESTED"
    SHUTDOWN = "SHUTDOWN"
    LEASE_LOST = "LEASE_LOST"


@dataclass(slots=True)
class Lease:
    """One attempt at a job.

    Attributes:
        fence: Counts claims; only the holder of the highest may write.
        failures: Failed attempts before this one.
        error: Why the last attempt failed.
        is_exhausted: The retry policy allows no further attempt: the job is abandoned and becomes DEAD.
        cancelled: Why the handler's task was cancelled.
        settled: The job has ended under this lease.
    """

    db: Database
    job_id: UUID
    tenant_id: UUID
    name: str
    fence: int
    failures: int = 0
    error: str | None = None
    is_exhausted: bool = False
    cancelled: CancelReason | None = None
    settled: bool = False

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[AsyncSession]:
        """Open a transaction of the tenant that cannot commit once the lease is lost.

        The job's row is locked last, so that code which locks a conversation before its job cannot deadlock.

        Raises:
            LeaseLostError: Another attempt holds the job, or it has ended.
        """
        async with self.db.transaction(self.tenant_id) as session:
            yield session
            row = await session.execute(_LOCK_JOB, {"id": self.job_id, "fence": self.fence})
            if row.first() is None:
                raise _lost()

    @asynccontextmanager
    async def final_transaction(self, state: JobState, *, error: str | None = None) -> AsyncGenerator[AsyncSession]:
        """Open the transaction that ends the job: its effects and its final state are committed together.

        The job's row is locked last here too. An exhausted job becomes DEAD, regardless of `state`.

        Raises:
            LeaseLostError: Another attempt holds the job, or it has ended.
        """
        if self.is_exhausted:
            state, error = JobState.DEAD, self.error
        async with self.db.transaction(self.tenant_id) as session:
            yield session
            if not await finish_job(session, self.job_id, self.fence, JobState.RUNNING, state, error=error):
                raise _lost()
        self.settled = True

    async def steps(self) -> dict[str, JsonObject]:
        """Return the results of all finished steps of earlier attempts, by name."""
        if self.fence == 1:
            return {}
        async with self.db.read(self.tenant_id) as session:
            rows = await session.scalars(select(JobStep).where(col(JobStep.job_id) == self.job_id))
            return {row.name: loads_object(row.result) for row in rows}

    async def record(self, name: str, result: JsonObject) -> None:
        """Make a step's result durable.

        Raises:
            LeaseLostError: Another attempt holds the job; the result is not stored.
        """
        values = {"id": self.job_id, "fence": self.fence, "name": name, "result": dumps(result)}
        async with self.db.transaction(self.tenant_id) as session:
            if (await session.execute(_RECORD, values)).first() is None:
                raise _lost()


def _lost() -> LeaseLostError:
    return LeaseLostError("Another worker has taken this job over.")
