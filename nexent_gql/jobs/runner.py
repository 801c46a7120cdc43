"""Claims jobs and runs their handlers under a lease."""

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from functools import partial
from typing import TypeVar
from uuid import UUID

import structlog
from sqlalchemy import text

from nexent_gql.db.session import Database, DatabaseUnavailableError
from nexent_gql.jobs.keeper import LeaseKeeper
from nexent_gql.jobs.lease import CancelReason, Handler, Lease, LeaseLostError
from nexent_gql.jobs.tables import JobState
from nexent_gql.kernel.errors import UnavailableError

_CLAIM = text("""
    UPDATE job SET state = 'RUNNING', fence = fence + 1, lease_owner = :owner,
           lease_until = clock_timestamp() + make_interval(secs => :lease_s)
     WHERE id = :id AND state = 'QUEUED' AND run_after <= clock_timestamp()
       AND (lane IS NULL OR NOT EXISTS (
            SELECT 1 FROM job AS ahead WHERE ahead.lane = job.lane AND ahead.position < job.position
               AND ahead.state IN ('QUEUED', 'RUNNING')))
    RETURNING tenant_id, name, payload, fence, crashes, cancel_requested
""")
_RELEASE = text("""
    WITH released AS (
        UPDATE job SET state = 'QUEUED', lease_owner = NULL, lease_until = NULL, crashes = crashes + :crashes,
           run_after = clock_timestamp() + make_interval(secs => :delay_s), woken_at = NULL, error = :error
     WHERE id = :id AND fence = :fence AND state = 'RUNNING' RETURNING id, tenant_id, queue)
    INSERT INTO outbox (tenant_id, kind, payload)
    SELECT tenant_id, 'wake', jsonb_build_object('job_id', id, 'queue', queue) FROM released
""")
_RETRY_DELAY_S = 1.0
_RELEASE_PAUSE_S = 0.3
_SETTLE_S = 10.0
_log = structlog.get_logger()

_T = TypeVar("_T")


class JobRunner:
    """Runs jobs of one worker process; `lease_s` without a beat, and another worker takes over.

    Args:
        owner: Names this process in `job.lease_owner`.
        max_crashes: A job that lost this many attempts is abandoned instead of run.
        beats: Renews leases; by default the pool that the work uses.
    """

    def __init__(
        self,
        db: Database,
        handlers: Mapping[str, Handler],
        *,
        owner: str,
        lease_s: float,
        max_crashes: int,
        beats: Database | None = None,
    ) -> None:
        self._db = db
        self._handlers = handlers
        self._owner = owner
        self._lease_s = lease_s
        self._max_crashes = max_crashes
        self._keeper = LeaseKeeper(beats or db, lease_s)
        self._running: dict[UUID, tuple[Lease, asyncio.Task[None]]] = {}
        self._missed: deque[UUID] = deque(maxlen=1_000)

    async def run(self, job_id: UUID) -> None:
        """Claim the job and see it through; returns at once when there is nothing to claim.

        Cancelling this gives the job back to the queue, uncounted.
        """
        started = await _whole(asyncio.ensure_future(self._start(job_id)))
        if started is None:
            return
        lease, task = started
        if (overtaken := self._running.get(job_id)) is not None:  # a lease ran out here, and came back here
            _cancel(*overtaken, CancelReason.LEASE_LOST)
        self._running[job_id] = (lease, task)
        try:
            with self._keeper.keep(lease, partial(_cancel, lease, task)):
                await self._settle(lease, task)
        finally:
            if self._running.get(job_id) == (lease, task):
                del self._running[job_id]

    def cancel(self, job_id: UUID) -> None:
        """Cancel a job if this worker runs it, or is just claiming it; the first reason counts."""
        if job_id not in self._running:
            self._missed.append(job_id)
            return
        _cancel(*self._running[job_id], CancelReason.REQUESTED)

    async def _start(self, job_id: UUID) -> tuple[Lease, asyncio.Task[None]] | None:
        """Claim a job and let its handler begin."""
        claimed = await self._claim(job_id)
        if claimed is None:
            return None
        lease, crashes = claimed
        handler = self._handlers[lease.name]
        work = handler.run if crashes < self._max_crashes else handler.abandon
        if job_id in self._missed:
            lease.cancelled = lease.cancelled or CancelReason.REQUESTED
        task = asyncio.ensure_future(work(lease))
        await asyncio.sleep(0)  # a task that is cancelled before its first step would never see it
        return lease, task

    async def _claim(self, job_id: UUID) -> tuple[Lease, int] | None:
        values = {"id": job_id, "owner": self._owner, "lease_s": self._lease_s}
        try:
            async with self._db.system() as session:
                row = (await session.execute(_CLAIM, values)).one_or_none()
        except DatabaseUnavailableError:
            _log.warning("job.unclaimed", job_id=str(job_id))  # the reaper wakes it again
            return None
        if row is None:
            return None
        lease = Lease(self._db, job_id, row.tenant_id, row.name, row.payload, row.fence)
        if row.cancel_requested:
            lease.cancelled = CancelReason.REQUESTED
        return lease, row.crashes

    async def _settle(self, lease: Lease, task: asyncio.Task[None]) -> None:
        """Wait for the handler and leave the job in a state that tells the truth."""
        try:
            await self._outcome(lease, task)
        except LeaseLostError:
            _log.info("job.lease_lost", job_id=str(lease.job_id), fence=lease.fence)
        except asyncio.CancelledError:
            if lease.cancelled is None and not _is_to_end():
                raise
            if lease.cancelled is not CancelReason.LEASE_LOST:  # a handler that had no chance to end the job gets one
                await self._release(lease, crashes=0)
        except UnavailableError as error:  # not the job's fault, nor its worker's
            _log.warning("job.interrupted", job_id=str(lease.job_id), fence=lease.fence, code=error.code)
            await self._release(lease, crashes=0, delay_s=_RETRY_DELAY_S, error=error.code)
        except Exception as error:  # noqa: BLE001 - whatever a handler does, its job must not be lost
            _log.exception("job.crashed", job_id=str(lease.job_id), name=lease.name, fence=lease.fence)
            await self._release(lease, crashes=1, delay_s=_RETRY_DELAY_S, error=repr(error)[:500])

    async def _outcome(self, lease: Lease, task: asyncio.Task[None]) -> None:
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.done():
                lease.cancelled = lease.cancelled or CancelReason.SHUTDOWN
                task.cancel()
                await asyncio.wait([task], timeout=_SETTLE_S)
            raise
        if not lease.settled:
            state = JobState.CANCELLED if lease.cancelled is CancelReason.REQUESTED else JobState.DONE
            async with lease.final_transaction(state):
                pass

    async def _release(self, lease: Lease, *, crashes: int, delay_s: float = 0, error: str | None = None) -> None:
        """Put the job back and wake whoever is free; after a delay, the reaper does.

        While the database is away it is asked again, for as long as it would take a lease to run out.
        """
        if lease.settled:
            return
        values = {"id": lease.job_id, "fence": lease.fence, "crashes": crashes, "delay_s": delay_s, "error": error}
        give_up_at = time.monotonic() + self._lease_s
        while True:
            try:
                async with self._db.system() as session:
                    await session.execute(_RELEASE, values)
            except DatabaseUnavailableError:
                if time.monotonic() > give_up_at:
                    _log.warning("job.not_given_back", job_id=str(lease.job_id), fence=lease.fence)
                    return
                await asyncio.sleep(_RELEASE_PAUSE_S)
            else:
                return


async def _whole(task: asyncio.Task[_T]) -> _T:
    """Wait for a task that is not to be left half done; who is cancelled meanwhile is so at its next wait."""
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if (waiting := asyncio.current_task()) is not None:
            waiting.cancel()
        return task.result()


def _is_to_end() -> bool:
    """Tell whether this task was cancelled, rather than what it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _cancel(lease: Lease, task: asyncio.Task[None], reason: CancelReason) -> None:
    """Cancel one attempt; the first reason counts."""
    if lease.cancelled is None:
        lease.cancelled = reason
        task.cancel()
