"""Status of queues: jobs that could start, and the live workers that serve them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from nexent_gql.db.session import Database, DatabaseUnavailableError
from nexent_gql.kernel.errors import UnavailableError
from nexent_gql.telemetry.jobs import QueueMetrics

ANNOUNCE_S = 5.0
ALIVE_S = 20.0
"""Seconds after its last announcement until a worker counts as dead."""
REFRESH_S = 5.0
MAX_COUNT = 10_000
_ANNOUNCE = text("""
    INSERT INTO job_worker (owner, queues, seen_at) VALUES (:owner, :queues, clock_timestamp())
    ON CONFLICT (owner) DO UPDATE SET queues = excluded.queues, seen_at = excluded.seen_at
""")
_LEAVE = text("DELETE FROM job_worker WHERE owner = :owner OR seen_at < clock_timestamp() - interval '1 hour'")
_STATUS = text("""
    WITH RECURSIVE waiting AS (
        (SELECT queue FROM job WHERE state = 'QUEUED' ORDER BY queue LIMIT 1)
        UNION ALL
        SELECT following.queue FROM waiting CROSS JOIN LATERAL (
            SELECT queue FROM job WHERE state = 'QUEUED' AND queue > waiting.queue ORDER BY queue LIMIT 1) AS following
    )
    SELECT queue,
           (SELECT count(*) FROM (SELECT 1 FROM job
             WHERE state = 'QUEUED' AND job.queue = waiting.queue AND run_after <= clock_timestamp()
             LIMIT :most) AS due) AS waiting,
           (SELECT count(*) FROM job_worker
             WHERE waiting.queue = ANY(queues)
               AND seen_at > clock_timestamp() - make_interval(secs => :alive_s)) AS workers
      FROM waiting ORDER BY queue
""")
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """A queue with jobs that have not started; `waiting` counts those that could start now, up to 10,000."""

    queue: str
    waiting: int
    workers: int

    @property
    def is_unserved(self) -> bool:
        """Whether jobs wait although no live worker serves the queue."""
        return self.waiting > 0 and self.workers == 0


class QueuesUnservedError(UnavailableError):
    """Queues have waiting jobs and no live worker."""

    code = "QUEUES_UNSERVED"

    def __init__(self, queues: Sequence[QueueStatus]) -> None:
        """Name the queues."""
        names = ", ".join(f"{status.queue} ({status.waiting} waiting)" for status in queues)
        super().__init__(f"No live worker serves: {names}.")


async def queue_status(db: Database) -> Sequence[QueueStatus]:
    """Return the queues with jobs that have not started.

    Raises:
        DatabaseUnavailableError: Postgres does not answer.
    """
    async with db.system() as session:
        rows = (await session.execute(_STATUS, {"most": MAX_COUNT, "alive_s": ALIVE_S})).all()
    return [QueueStatus(row.queue, row.waiting, row.workers) for row in rows]


async def announce_queues(db: Database, owner: str, queues: Sequence[str]) -> None:
    """Announce every few seconds, until cancelled, that a live worker serves `queues`."""
    try:
        while True:
            try:
                async with db.system() as session:
                    await session.execute(_ANNOUNCE, {"owner": owner, "queues": list(queues)})
            except DatabaseUnavailableError:
                _log.info("queues.not_announced")
            await asyncio.sleep(ANNOUNCE_S)
    finally:
        await _leave(db, owner)


async def watch_queues(db: Database, metrics: QueueMetrics) -> None:
    """Refresh the metrics of all queues every few seconds, until cancelled."""
    while True:
        try:
            report(await queue_status(db), metrics)
        except (DatabaseUnavailableError, SQLAlchemyError) as error:  # a metric is worth no process
            _log.warning("queues.not_refreshed", error=type(error).__name__)
        await asyncio.sleep(REFRESH_S)


def report(status: Sequence[QueueStatus], metrics: QueueMetrics) -> None:
    """Set the gauges of all queues."""
    for gauge in (metrics.waiting, metrics.unserved):
        gauge.clear()
    for queue in status:
        metrics.waiting.labels(queue.queue).set(queue.waiting)
        metrics.unserved.labels(queue.queue).set(queue.waiting if queue.is_unserved else 0)
        if queue.is_unserved:
            _log.warning("queue.unserved", queue=queue.queue, waiting=queue.waiting)


async def _leave(db: Database, owner: str) -> None:
    try:
        async with db.system() as session:
            await session.execute(_LEAVE, {"owner": owner})
    except DatabaseUnavailableError:
        return  # the worker counts as dead a few seconds later
