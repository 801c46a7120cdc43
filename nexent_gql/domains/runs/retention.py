"""Trims archives of runs that are older than the retention."""

from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID

from sqlalchemy import text

from nexent_gql.domains.runs import events
from nexent_gql.jobs.housekeeping import Housekeeping, abandon
from nexent_gql.jobs.lease import Lease
from nexent_gql.jobs.registry import JobHandler
from nexent_gql.kernel.clock import Clock

_BATCH = 50
_OLD = text("""
    SELECT run_id, events FROM run_archive WHERE run_id < :before AND first_seq < last_seq
     ORDER BY run_id LIMIT :batch FOR UPDATE SKIP LOCKED
""")
_TRIM = text("UPDATE run_archive SET first_seq = last_seq, events = :events WHERE run_id = :run_id")


class TrimRunArchives(Housekeeping):
    """Deletes the events of old runs except the last; messages and token counts of the runs are kept."""

    name: ClassVar[str] = "trim_run_archives"


class RunArchiveTrimmer:
    """Handles `TrimRunArchives`; without a retention nothing is deleted.

    The last event is kept, so that a reader of an old run gets a gap event and the result.
    """

    def __init__(self, retention_s: int | None, clock: Clock) -> None:
        self._retention_s = retention_s
        self._clock = clock

    @property
    def handler(self) -> JobHandler[TrimRunArchives]:
        """The handler for the job registry."""
        return JobHandler(TrimRunArchives, self.run, abandon)

    async def run(self, lease: Lease, _work: TrimRunArchives) -> None:
        """Trim in batches until nothing is left."""
        if self._retention_s is None:
            return
        before = _first_id_at(self._clock() - timedelta(seconds=self._retention_s))
        while await _trim(lease, before) == _BATCH:
            continue


async def _trim(lease: Lease, before: UUID) -> int:
    async with lease.db.system() as session:
        rows = (await session.execute(_OLD, {"before": before, "batch": _BATCH})).all()
        for row in rows:
            last = await events.pack((await events.unpack(bytes(row.events)))[-1:])
            await session.execute(_TRIM, {"run_id": row.run_id, "events": last})
    return len(rows)


def _first_id_at(moment: datetime) -> UUID:
    """Return the smallest UUIDv7 of a time; ids of runs contain the time of their creation."""
    return UUID(int=int(moment.timestamp() * 1_000) << 80)
