"""Deletes events of conversations that are older than the retention."""

from datetime import timedelta
from typing import ClassVar

from sqlalchemy import text

from nexent_gql.jobs.housekeeping import Housekeeping, abandon, delete_in_batches
from nexent_gql.jobs.lease import Lease
from nexent_gql.jobs.registry import JobHandler
from nexent_gql.kernel.clock import Clock

_PURGE = text("""
    DELETE FROM conversation_event WHERE (conversation_id, seq) IN (
        SELECT conversation_id, seq FROM conversation_event AS old
         WHERE at < :before AND EXISTS (
               SELECT 1 FROM conversation_event AS later
                WHERE later.conversation_id = old.conversation_id AND later.seq > old.seq)
         LIMIT :batch)
    RETURNING seq
""")
"""The last event of a conversation is kept, so that readers with an old cursor get a gap event."""


class PurgeConversationEvents(Housekeeping):
    """Deletes old events of conversations; their messages stay."""

    name: ClassVar[str] = "purge_conversation_events"


class ConversationEventPurger:
    """Handles `PurgeConversationEvents`; without a retention nothing is deleted."""

    def __init__(self, retention_s: int | None, clock: Clock) -> None:
        self._retention_s = retention_s
        self._clock = clock

    @property
    def handler(self) -> JobHandler[PurgeConversationEvents]:
        """The handler for the job registry."""
        return JobHandler(PurgeConversationEvents, self.run, abandon)

    async def run(self, lease: Lease, _work: PurgeConversationEvents) -> None:
        """Delete in batches until nothing is left."""
        if self._retention_s is not None:
            before = self._clock() - timedelta(seconds=self._retention_s)
            await delete_in_batches(lease.db, _PURGE, {"before": before})
