"""Claims jobs and runs their handlers under a lease."""

import asyncio
import time
from collections import deque
from dataclasses import replace
from functools import partial
from random import uniform
from typing import TypeVar
from uuid import UUID

import structlog
from pydantic import ValidationError
from sqlalchemy import text

from nexent_gql.db.session import Database, DatabaseUnavailableError
from nexent_gql.jobs.lease import CancelReason, Lease, LeaseLostError
from nexent_gql.jobs.registry import JobRegistry
from nexent_gql.jobs.renewal import LeaseRenewal
from nexent_gql.jobs.tables import JobState
from nexent_gql.jobs.work import RetryPolicy
from nexent_gql.kernel.errors import DomainError, ProviderUnavailableError, UnavailableError
from nexent_gql.kernel.json import JsonObject
from nexent_gql.telemetry.jobs import JobMetrics

_CLAIM = text("""
    UPDATE job SET state = 'RUNNING', fence = fence + 1, lease_owner = :owner,
           lease_until = clock_timestamp() + make_interval(secs => :lease_s)
     WHERE id = :id AND state = 'QUEUED' AND run_after <= clock_timestamp() AND name = ANY(:names)
       AND (lane IS NULL OR NOT EXISTS (
            SELECT 1 FROM job AS ahead WHERE ahead.lane = job.lane AND ahead.position < job.position
               AND ahead.state IN ('QUEUED', 'RUNNING')))
    RETURNING tenant_id, name, payload, fence, failures, cancel_requested, error,
              extract(epoch FROM clock_timestamp() - enqueued_at)::float AS age_s
""")
_RELEASE = text("""
    WITH released AS (
        UPDATE job SET state = 'QUEUED', lease_owner = NULL, lease_until = NULL, failures = failures + :failures,
           run_after = clock_timestamp() + make_interval(secs => :delay_s), error = :error
     WHERE id = :id AND fence = :fence AND state = 'RUNNING' RETURNING tenant_id, queue)
    INSERT INTO outbox (tenant_id, kind, payload)
    SELECT tenant_id, 'wake', jsonb_build_object('queue', queue) FROM released WHERE :delay_s = 0
""")
_OUTAGE_DELAY_S = 1.0
_MAX_ERROR_CHARS = 500
_RELEASE_PAUSE_S = 0.3
_SETTLE_S = 10.0
_log = structlog.get_logger()

_T = TypeVar("_T")


class JobRunner:
    """Runs jobs of one worker process; a lease that is not renewed for `lease_s` passes to another worker.

    Args:
        db: The database of the jobs.
        registry: The kinds of jobs that this process can run; others are never claimed.
        owner: The name of this process in `job.lease_owner`.
        lease_s: How long a lease lasts without renewal.
        max_attempts: Overrides every retry policy; None applies the policies.
        lease_db: The pool for renewals; by default `db`.
        metrics: Counts failed attempts and dead jobs.
    """

    def __init__(
        self,
        db: Database,
        registry: JobRegistry,
        *,
        owner: str,
        lease_s: float,
        max_attempts: int | None = None,
        lease_db: Database | None = None,
        metrics: JobMetrics | None = None,
    ) -> None:
        self._db = db
        self._registry = registry
        self._names = registry.names
        self._owner = owner
        self._lease_s = lease_s
        self._max_attempts = max_attempts
        self._renewal = LeaseRenewal(lease_db or db, lease_s)
        self._metrics = metrics or JobMetrics()
        self._running: dict[UUID, tuple[Lease, asyncio.Task[None]]] = {}
        self._early_cancellations: deque[UUID] = deque(maxlen=1_000)

    async def run(self, job_id: UUID) -> bool:
        """Claim the job and run it to its end; returns False when there was nothing to claim.

        Cancelling this returns the job to the queue without counting a failure.
        """
        started = await _whole(asyncio.ensure_future(self._start(job_id)))
        if started is None:
            return False
        lease, task = started
        if (
            overtaken := self._running.get(job_id)
        ) is not None:  # the lease expired, and this same process claimed the job again
            _cancel(*overtaken, CancelReason.LEASE_LOST)
        self._running[job_id] = (lease, task)
        try:
            with self._renewal.renewing(lease, partial(_cancel, lease, task)):
                await self._settle(lease, task)
        finally:
            if self._running.get(job_id) == (lease, task):
                del self._running[job_id]
        return True

    def cancel(self, job_id: UUID) -> None:
        """Cancel a job that this worker runs or is claiming; the first reason counts."""
        if job_id not in self._running:
            self._early_cancellations.append(job_id)
            return
        _cancel(*self._running[job_id], CancelReason.REQUESTED)

    async def _start(self, job_id: UUID) -> tuple[Lease, asyncio.Task[None]] | None:
        """Claim a job and start its handler."""
        claimed = await self._claim(job_id)
        if claimed is None:
            return None
        lease, payload = claimed
        if job_id in self._early_cancellations:
            lease.cancelled = lease.cancelled or CancelReason.REQUESTED
        task = asyncio.ensure_future(self._handle(lease, payload))
        await asyncio.sleep(0)  # a task that is cancelled before its first step would not run at all
        return lease, task

    async def _handle(self, lease: Lease, payload: JsonObject) -> None:
        try:
            await self._registry[lease.name].handle(lease, payload)
        except ValidationError:
            if not lease.is_exhausted:
                raise

    async def _claim(self, job_id: UUID) -> tuple[Lease, JsonObject] | None:
        values = {"id": job_id, "owner": self._owner, "lease_s": self._lease_s, "names": self._names}
        try:
            async with self._db.system() as session:
                row = (await session.execute(_CLAIM, values)).one_or_none()
        except DatabaseUnavailableError:
            _log.warning("job.unclaimed", job_id=str(job_id))
            return None
        if row is None:
            return None
        lease = Lease(self._db, job_id, row.tenant_id, row.name, row.fence, row.failures, row.error)
        lease.is_exhausted = self._policy(lease).is_exhausted(row.failures, row.age_s)
        if lease.is_exhausted and lease.error is None:
            lease.error = f"not done within {row.age_s:.0f} s"
        if row.cancel_requested:
            lease.cancelled = CancelReason.REQUESTED
        return lease, row.payload

    def _policy(self, lease: Lease) -> RetryPolicy:
        policy = self._registry[lease.name].work.retry
        return policy if self._max_attempts is None else replace(policy, max_attempts=self._max_attempts)

    async def _settle(self, lease: Lease, task: asyncio.Task[None]) -> None:
        """Wait for the handler and store the resulting state of the job."""
        try:
            await self._outcome(lease, task)
        except LeaseLostError:
            _log.info("job.lease_lost", job_id=str(lease.job_id), fence=lease.fence)
        except asyncio.CancelledError:
            if lease.cancelled is None and not _is_to_end():
                raise
            if lease.cancelled is not CancelReason.LEASE_LOST:  # the handler may not have had a chance to end the job
                await self._release(lease)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises, its job must not be lost
            await self._fail(lease, error)
        if lease.is_exhausted and lease.settled:
            self._metrics.dead.labels(lease.name).inc()
            _log.error("job.dead", job_id=str(lease.job_id), name=lease.name, error=lease.error)

    async def _fail(self, lease: Lease, error: Exception) -> None:
        """Requeue the job after an error, and count a failure unless our own Postgres or Redis is unavailable."""
        facts = {"job_id": str(lease.job_id), "name": lease.name, "fence": lease.fence}
        if isinstance(error, UnavailableError) and not isinstance(error, ProviderUnavailableError):
            _log.warning("job.interrupted", **facts, code=error.code)
            delay_s = uniform(_OUTAGE_DELAY_S / 2, _OUTAGE_DELAY_S)  # noqa: S311 - spreads retries
            await self._release(lease, delay_s=delay_s, error=error.code)
            return
        self._metrics.failed_attempts.labels(lease.name).inc()
        if isinstance(error, DomainError):
            reason = f"{error.code}: {error.message}"[:_MAX_ERROR_CHARS]
            _log.warning("job.failed", **facts, code=error.code)
        else:
            reason = repr(error)[:_MAX_ERROR_CHARS]
            _log.error("job.crashed", **facts, exc_info=error)
        policy, failures = self._policy(lease), lease.failures + 1
        is_given_up_now = failures == policy.max_attempts  # the next attempt abandons it
        delay_s = 0 if is_given_up_now else policy.delay_s(failures)
        await self._release(lease, failures=1, delay_s=delay_s, error=reason)

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

    async def _release(self, lease: Lease, *, failures: int = 0, delay_s: float = 0, error: str | None = None) -> None:
        """Requeue the job and wake a worker; after a delay, workers find it by polling.

        While the database is unavailable, this retries for the length of a lease.
        """
        if lease.settled:
            return
        error = error or lease.error
        values = {"id": lease.job_id, "fence": lease.fence, "failures": failures, "delay_s": delay_s, "error": error}
        give_up_at = time.monotonic() + self._lease_s
        while True:
            try:
                async with self._db.system() as session:
                    await session.execute(_RELEASE, values)
            except DatabaseUnavailableError:
                if time.monotonic() > give_up_at:
                    _log.warning("job.release_failed", job_id=str(lease.job_id), fence=lease.fence)
                    return
                await asyncio.sleep(_RELEASE_PAUSE_S)
            else:
                return


async def _whole(task: asyncio.Task[_T]) -> _T:
    """Wait for a task that must not be interrupted; a cancellation takes effect at the caller's next wait."""
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if (waiting := asyncio.current_task()) is not None:
            waiting.cancel()
        return task.result()


def _is_to_end() -> bool:
    """Return whether this task was cancelled, and not the one it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _cancel(lease: Lease, task: asyncio.Task[None], reason: CancelReason) -> None:
    """Cancel one attempt; the first reason counts."""
    if lease.cancelled is None:
        lease.cancelled = reason
        task.cancel()
