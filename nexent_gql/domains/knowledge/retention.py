"""Deletes events of knowledge bases that are older than the retention."""

from datetime import timedelta
from typing import ClassVar

from sqlalchemy import text

from nexent_gql.jobs.housekeeping import Housekeeping, abandon, delete_in_batches
from nexent_gql.jobs.lease import Lease
from nexent_gql.jobs.registry import JobHandler
from nexent_gql.kernel.clock import Clock

_PURGE = text("""
    DELETE FROM knowledge_event WHERE (knowledge_base_id, seq) IN (
        SELECT knowledge_base_id, seq FROM knowledge_event AS old
         WHERE at < :before AND EXISTS (
               SELECT 1 FROM knowledge_event AS later
                WHERE later.knowledge_base_id = old.knowledge_base_id AND later.seq > old.seq)
         LIMIT :batch)
    RETURNING seq
""")
"""The last event of a base is kept: the next one is numbered after it, and old cursors get a gap event."""


class PurgeKnowledgeEvents(Housekeeping):
    """Deletes old events of knowledge bases; their documents stay."""

    name: ClassVar[str] = "purge_knowledge_events"


class KnowledgeEventPurger:
    """Handles `PurgeKnowledgeEvents`."""

    def __init__(self, retention_s: int, clock: Clock) -> None:
        self._retention_s = retention_s
        self._clock = clock

    @property
    def handler(self) -> JobHandler[PurgeKnowledgeEvents]:
        """The handler for the job registry."""
        return JobHandler(PurgeKnowledgeEvents, self.run, abandon)

    async def run(self, lease: Lease, _work: PurgeKnowledgeEvents) -> None:
        """Delete in batches until nothing is left."""
        before = self._clock() - timedelta(seconds=self._retention_s)
        await delete_in_batches(lease.db, _PURGE, {"before": before})
