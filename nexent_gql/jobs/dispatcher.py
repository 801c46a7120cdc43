"""Starts the jobs of one queue in one worker process, up to its concurrency limit."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from random import uniform
from uuid import UUID

import structlog
from sqlalchemy import text

from nexent_gql.db.session import Database, DatabaseUnavailableError
from nexent_gql.jobs.fairness import Candidate, FairShare
from nexent_gql.jobs.runner import JobRunner

POLL_S = 1.0
"""Seconds between polls without a wake-up: for jobs whose delay is over, and for lost wake-ups."""
_RETRY_S = 0.1
_MAX_CANDIDATES = 1_000
_CANDIDATES = text("""
    WITH RECURSIVE waiting AS (
        (SELECT priority, tenant_id, user_id FROM job WHERE state = 'QUEUED' AND queue = :queue
          ORDER BY priority, tenant_id, user_id LIMIT 1)
        UNION ALL
        SELECT following.* FROM waiting CROSS JOIN LATERAL (
            SELECT priority, tenant_id, user_id FROM job WHERE state = 'QUEUED' AND queue = :queue
               AND (priority, tenant_id, user_id) > (waiting.priority, waiting.tenant_id, waiting.user_id)
             ORDER BY priority, tenant_id, user_id LIMIT 1) AS following
    )
    SELECT due.id, waiting.tenant_id, waiting.user_id, waiting.priority
      FROM waiting CROSS JOIN LATERAL (
           SELECT id, run_after FROM job
            WHERE state = 'QUEUED' AND queue = :queue AND priority = waiting.priority
              AND tenant_id = waiting.tenant_id AND user_id = waiting.user_id
              AND run_after <= statement_timestamp() AND name = ANY(:names) AND id <> ALL(:started)
              AND (lane IS NULL OR NOT EXISTS (
                   SELECT 1 FROM job AS ahead WHERE ahead.lane = job.lane AND ahead.position < job.position
                      AND ahead.state IN ('QUEUED', 'RUNNING')))
            ORDER BY run_after LIMIT :most) AS due
     ORDER BY waiting.priority, due.run_after
""")
"""Walks the index `ix_job_queued` from user to user and takes the first due jobs of each. The cost
depends on the number of users with queued jobs, not on the number of jobs.
"""

_log = structlog.get_logger()


class Dispatcher:
    """A `Receiver` of wake-ups that starts the next jobs of its queue while it has a free slot.

    Args:
        db: The database of the jobs.
        runner: Runs the jobs.
        queue: The queue to serve.
        names: Kinds of jobs that may start here.
        share: Chooses the next jobs.
    """

    def __init__(self, db: Database, runner: JobRunner, queue: str, names: Sequence[str], share: FairShare) -> None:
        self._db = db
        self._runner = runner
        self._queue = queue
        self._names = names
        self._share = share
        self._started: dict[UUID, asyncio.Task[None]] = {}
        self._woken = asyncio.Event()
        self._most_per_user = 10

    @property
    def has_free_slot(self) -> bool:
        return self._share.free_slots > 0

    def wake(self) -> None:
        self._woken.set()

    async def run(self) -> None:
        """Start jobs until cancelled; then cancel the running ones, which returns their jobs to the queue."""
        try:
            while True:
                self._woken.clear()
                await self._fill_slots()
                await self._wait()
        finally:
            await self._stop()

    async def _fill_slots(self) -> None:
        if not self.has_free_slot:
            return
        most = min(self._share.free_slots, self._most_per_user)
        is_limited = most < self._share.free_slots
        try:
            candidates = await self._candidates(most)
        except DatabaseUnavailableError:
            await asyncio.sleep(uniform(_RETRY_S, POLL_S))  # noqa: S311 - spreads retries
            self.wake()
            return
        self._most_per_user = max(1, _MAX_CANDIDATES // max(1, len({job.user for job in candidates})))
        starting = self._share.start_next(candidates)
        for job in starting:
            self._started[job.job_id] = asyncio.create_task(self._run(job), name=f"job {job.job_id}")
        if starting and is_limited:
            self.wake()  # there may be more due jobs than the limit

    async def _candidates(self, most: int) -> list[Candidate]:
        """Return the first `most` due jobs of each user."""
        values = {"queue": self._queue, "names": self._names, "started": list(self._started), "most": most}
        async with self._db.system() as session:
            rows = (await session.execute(_CANDIDATES, values)).all()
        return [Candidate(row.id, row.tenant_id, row.user_id, row.priority) for row in rows]

    async def _run(self, job: Candidate) -> None:
        is_claimed = False
        try:
            is_claimed = await self._runner.run(job.job_id)
        except Exception:  # noqa: BLE001 - one job must not stop the others
            _log.exception("job.runner_failed", job_id=str(job.job_id))
        finally:
            del self._started[job.job_id]
            self._share.finish(job)
            if is_claimed:
                self.wake()
            else:  # another worker was faster, or the database is unavailable
                asyncio.get_running_loop().call_later(uniform(0, _RETRY_S), self.wake)  # noqa: S311

    async def _wait(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(uniform(0.8, 1.2) * POLL_S):  # noqa: S311 - spreads the load of many workers
                await self._woken.wait()

    async def _stop(self) -> None:
        tasks = list(self._started.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
