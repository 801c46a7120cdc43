"""Base of housekeeping jobs, and the deletion of finished jobs."""

from collections.abc import Mapping
from typing import ClassVar

from sqlalchemy import TextClause, text

from nexent_gql.db.session import Database
from nexent_gql.jobs.lease import Lease
from nexent_gql.jobs.registry import JobHandler
from nexent_gql.jobs.work import Priority, RetryPolicy, Work

BATCH = 500
"""Rows deleted by one transaction, so that locks are short."""

_PURGE = text("""
    DELETE FROM job WHERE id IN (SELECT id FROM job
        WHERE finished_at < clock_timestamp() - make_interval(secs => :retention_s)
          AND (state <> 'DEAD' OR NOT can_rerun) LIMIT :batch FOR UPDATE SKIP LOCKED)
    RETURNING id
""")


class Housekeeping(Work):
    """A kind of job that a schedule of the installation enqueues; after a failure, the next firing tries again."""

    queue: ClassVar[str] = "housekeeping"
    retry: ClassVar[RetryPolicy] = RetryPolicy(max_attempts=3, base_delay_s=5, max_age_s=3_600)
    priority: ClassVar[Priority] = Priority.BACKGROUND

    @property
    def key(self) -> str:
        """Key of a job that no schedule enqueued; each firing has a key of its own."""
        return self.name

    @property
    def lane(self) -> str | None:
        """One at a time."""
        return f"housekeeping/{self.name}"


class PurgeJobs(Housekeeping):
    """Deletes finished jobs that are older than the retention, except dead jobs that can be retried."""

    name: ClassVar[str] = "purge_jobs"


class JobPurger:
    """Handles `PurgeJobs`."""

    def __init__(self, retention_s: float) -> None:
        self._retention_s = retention_s

    @property
    def handler(self) -> JobHandler[PurgeJobs]:
        """The handler for the job registry."""
        return JobHandler(PurgeJobs, self.run, abandon)

    async def run(self, lease: Lease, _work: PurgeJobs) -> None:
        """Delete in batches until nothing is left."""
        await delete_in_batches(lease.db, _PURGE, {"retention_s": float(self._retention_s)})


async def delete_in_batches(db: Database, statement: TextClause, values: Mapping[str, object]) -> int:
    """Repeat a statement that deletes at most `:batch` rows and returns them; return the number of deleted rows."""
    count = 0
    while True:
        async with db.system() as session:
            deleted = len((await session.execute(statement, {**values, "batch": BATCH})).all())
        count += deleted
        if deleted < BATCH:
            return count


async def abandon(_lease: Lease, _work: Housekeeping) -> None:
    """Leave it to the next firing."""
