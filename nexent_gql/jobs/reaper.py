"""Finds work that nobody does any more: lost leases and lost wake-ups."""

import asyncio

import structlog
from sqlalchemy import text

from nexent_gql.db.session import Database, DatabaseUnavailableError

_EXPIRED = text("""
    UPDATE job SET state = 'QUEUED', lease_owner = NULL, lease_until = NULL, failures = failures + 1,
           run_after = clock_timestamp(), woken_at = NULL, error = 'the worker died'
     WHERE id IN (SELECT id FROM job WHERE state = 'RUNNING' AND lease_until < clock_timestamp()
                  ORDER BY lease_until LIMIT 200 FOR UPDATE SKIP LOCKED)
    RETURNING id
""")
_UNWOKEN = text("""
    WITH due AS (
        SELECT id, tenant_id, queue FROM job
         WHERE state = 'QUEUED' AND run_after <= clock_timestamp()
           AND (woken_at IS NULL OR woken_at < clock_timestamp() - make_interval(secs => :stale_s))
           AND (lane IS NULL OR NOT EXISTS (
                SELECT 1 FROM job AS ahead WHERE ahead.lane = job.lane AND ahead.position < job.position
                   AND ahead.state IN ('QUEUED', 'RUNNING')))
         ORDER BY run_after LIMIT 500 FOR UPDATE SKIP LOCKED),
    marked AS (UPDATE job SET woken_at = clock_timestamp() FROM due WHERE job.id = due.id)
    INSERT INTO outbox (tenant_id, kind, payload)
    SELECT tenant_id, 'wake', jsonb_build_object('job_id', id, 'queue', queue) FROM due
    RETURNING id
""")
_log = structlog.get_logger()


class Reaper:
    """Looks every `interval_s`; any number may run, each row is taken by one.

    A lease that ran out while the database was away says nothing about its holder: after an outage, all holders
    get the time of one lease to renew theirs.

    Args:
        lease_s: How long a lease holds without a sign of life.
        stale_s: A queued job that was woken this long ago without being claimed is woken again.
    """

    def __init__(self, db: Database, *, interval_s: float, lease_s: float, stale_s: float) -> None:
        self._db = db
        self._lease_s = lease_s
        self._interval_s = interval_s
        self._stale_s = stale_s

    async def run(self) -> None:
        """Look for ever, and through every outage of the database."""
        while True:
            try:
                await self.look()
            except DatabaseUnavailableError as error:
                _log.warning("reaper.database_unavailable", error=type(error.__cause__).__name__)
                await self._until_back()
            await asyncio.sleep(self._interval_s)

    async def _until_back(self) -> None:
        """Wait until the database answers, and then as long as a lease."""
        while True:
            await asyncio.sleep(self._interval_s)
            try:
                async with self._db.system() as session:
                    await session.execute(text("SELECT 1"))
            except DatabaseUnavailableError:
                continue
            await asyncio.sleep(self._lease_s)
            return

    async def look(self) -> int:
        """Re-queue jobs of dead workers and wake what was forgotten; returns how many were woken."""
        async with self._db.system() as session:
            lost = (await session.execute(_EXPIRED)).all()
            woken = (await session.execute(_UNWOKEN, {"stale_s": self._stale_s})).all()
        if lost:
            _log.warning("reaper.leases_lost", jobs=[str(row.id) for row in lost])
        return len(woken)
