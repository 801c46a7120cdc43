"""Requeues jobs of dead workers, and promotes background jobs that have waited for long."""

import asyncio

import structlog
from sqlalchemy import text

from nexent_gql.db.session import Database, DatabaseUnavailableError

_EXPIRED = text("""
    WITH expired AS (
        UPDATE job SET state = 'QUEUED', lease_owner = NULL, lease_until = NULL, failures = failures + 1,
               run_after = clock_timestamp(), error = 'the worker died'
         WHERE id IN (SELECT id FROM job WHERE state = 'RUNNING' AND lease_until < clock_timestamp()
                      ORDER BY lease_until LIMIT 200 FOR UPDATE SKIP LOCKED)
        RETURNING id, tenant_id, queue
    ), woken AS (
        INSERT INTO outbox (tenant_id, kind, payload)
        SELECT tenant_id, 'wake', jsonb_build_object('queue', queue) FROM expired
    )
    SELECT id FROM expired
""")
_PROMOTE = text("""
    UPDATE job SET priority = 0
     WHERE id IN (SELECT id FROM job WHERE state = 'QUEUED' AND priority > 0
                     AND run_after < statement_timestamp() - make_interval(secs => :promote_after_s)
                  ORDER BY run_after LIMIT 200 FOR UPDATE SKIP LOCKED)
""")
PROMOTE_AFTER_S = 600.0
"""Seconds after which a waiting background job counts as interactive, so that it cannot starve."""
_log = structlog.get_logger()


class Reaper:
    """Looks every `interval_s`; several reapers may run, each row is handled by one.

    A lease that expired while the database was unavailable does not mean that its holder died: after an outage, all
    holders get the length of one lease to renew theirs.

    Args:
        db: The database of the jobs.
        interval_s: Seconds between looks.
        lease_s: How long a lease lasts without renewal.
    """

    def __init__(self, db: Database, *, interval_s: float, lease_s: float) -> None:
        self._db = db
        self._lease_s = lease_s
        self._interval_s = interval_s

    async def run(self) -> None:
        """Look until cancelled; continues after outages of the database."""
        while True:
            try:
                await self.look()
            except DatabaseUnavailableError as error:
                _log.warning("reaper.database_unavailable", error=type(error.__cause__).__name__)
                await self._until_back()
            await asyncio.sleep(self._interval_s)

    async def _until_back(self) -> None:
        """Wait until the database answers, and then for the length of a lease."""
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
        """Requeue jobs of dead workers and promote old background jobs; returns the number of requeued jobs."""
        async with self._db.system() as session:
            expired_leases = (await session.execute(_EXPIRED)).all()
            await session.execute(_PROMOTE, {"promote_after_s": PROMOTE_AFTER_S})
        if expired_leases:
            _log.warning("reaper.leases_lost", jobs=[str(row.id) for row in expired_leases])
        return len(expired_leases)
