"""Renews all leases of a process in one statement."""

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
"""A locked row is being written by its own attempt and is left to the next renewal, so that the renewal does not wait
for it. Rows finished under the same fence are reported as held: the handler's own commit is in flight and must not be
cancelled.
"""

_log = structlog.get_logger()

CancelAttempt = Callable[[CancelReason], None]


class LeaseRenewal:
    """Renews leases at a third of their length, and cancels attempts whose lease is lost or whose job is cancelled.

    Args:
        db: Preferably a separate pool: jobs that use all connections must not lose their leases.
        lease_s: How long a lease lasts without renewal.
    """

    def __init__(self, db: Database, lease_s: float) -> None:
        self._db = db
        self._lease_s = lease_s
        self._leases: dict[tuple[UUID, int], tuple[Lease, CancelAttempt]] = {}
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def renewing(self, lease: Lease, cancel: CancelAttempt) -> Generator[None]:
        """Renew a lease within the block; `cancel` may be called more than once."""
        key = lease.job_id, lease.fence
        self._leases[key] = lease, cancel
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="lease-renewal")
        try:
            yield
        finally:
            del self._leases[key]
            if not self._leases:
                self._task.cancel()
                self._task = None

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._lease_s / 3)
            try:
                await self._renew()
            except (DatabaseUnavailableError, TimeoutError):
                continue  # the next renewal tries again, until leases are lost
            except Exception:  # noqa: BLE001 - without renewal, other workers would repeat all jobs of this process
                _log.exception("leases.not_renewed")

    async def _renew(self) -> None:
        leases = dict(self._leases)
        ids, fences = [id_ for id_, _ in leases], [fence for _, fence in leases]
        values = {"ids": ids, "fences": fences, "lease_s": self._lease_s}
        async with asyncio.timeout(self._lease_s / 2), self._db.system() as session:
            rows = (await session.execute(_RENEW, values)).all()
        is_cancelled = {(row.id, row.fence): bool(row.cancel_requested) for row in rows if row.is_held}
        for key, (lease, cancel) in leases.items():
            if not lease.settled and key in self._leases:
                if key not in is_cancelled:
                    cancel(CancelReason.LEASE_LOST)
                elif is_cancelled[key]:
                    cancel(CancelReason.REQUESTED)
