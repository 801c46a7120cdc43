"""Keeps the leases of a process: one statement renews all of them, however many jobs run."""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from uuid import UUID

import structlog
from sqlalchemy import text

from nexent_gql.db.session import Database, DatabaseUnavailableError
from nexent_gql.jobs.lease import CancelReason, Lease

_RENEW = text("""
    WITH held AS (
        SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:fences AS bigint[])) AS held (id, fence)
    ), renewed AS (
        UPDATE job SET lease_until = clock_timestamp() + make_interval(secs => :lease_s)
         WHERE id IN (SELECT job.id FROM job JOIN held USING (id, fence) WHERE job.state = 'RUNNING'
                         FOR NO KEY UPDATE OF job SKIP LOCKED)
    )
    SELECT held.id, held.fence, job.cancel_requested, job.fence = held.fence AND job.state <> 'QUEUED' AS is_held
      FROM held JOIN job ON job.id = held.id
""")
"""A row that is locked is being written by its own attempt, and is renewed by the next beat: nobody waits for it. A job
that has just ended under its own fence is no lost one: its attempt is about to know.
"""

_log = structlog.get_logger()

Tell = Callable[[CancelReason], None]


class LeaseKeeper:
    """Renews leases at a third of their length, and tells attempts that lost theirs or are to be cancelled.

    Args:
        db: Best a pool of its own: work that takes all connections must not cost the leases under it.
        lease_s: How long a lease lasts without a beat.
    """

    def __init__(self, db: Database, lease_s: float) -> None:
        self._db = db
        self._lease_s = lease_s
        self._kept: dict[tuple[UUID, int], tuple[Lease, Tell]] = {}
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def keep(self, lease: Lease, tell: Tell) -> Generator[None]:
        """Keep a lease for as long as the block lasts; `tell` hears why it should end, perhaps more than once."""
        key = lease.job_id, lease.fence
        self._kept[key] = lease, tell
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="lease-keeper")
        try:
            yield
        finally:
            del self._kept[key]
            if not self._kept:
                self._task.cancel()
                self._task = None

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._lease_s / 3)
            try:
                await self._beat()
            except (DatabaseUnavailableError, TimeoutError):
                continue  # the next beat tries again, until leases are lost
            except Exception:  # noqa: BLE001 - without beats, all that this process does would be done again by others
                _log.exception("leases.not_renewed")

    async def _beat(self) -> None:
        asked = dict(self._kept)
        ids, fences = [id_ for id_, _ in asked], [fence for _, fence in asked]
        values = {"ids": ids, "fences": fences, "lease_s": self._lease_s}
        async with asyncio.timeout(self._lease_s / 2), self._db.system() as session:
            rows = (await session.execute(_RENEW, values)).all()
        held = {(row.id, row.fence): bool(row.cancel_requested) for row in rows if row.is_held}
        for key, (lease, tell) in asked.items():
            if not lease.settled and key in self._kept:
                if key not in held:
                    tell(CancelReason.LEASE_LOST)
                elif held[key]:
                    tell(CancelReason.REQUESTED)
