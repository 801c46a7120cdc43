"""Deletes sessions that have ended."""

from typing import ClassVar

from sqlalchemy import text

from nexent_gql.jobs.housekeeping import Housekeeping, abandon, delete_in_batches
from nexent_gql.jobs.lease import Lease
from nexent_gql.jobs.registry import JobHandler
from nexent_gql.kernel.clock import Clock

_PURGE = text("""
    DELETE FROM auth_session WHERE id IN (SELECT id FROM auth_session WHERE expires_at < :now LIMIT :batch)
    RETURNING id
""")
"""A revoked session is kept until it expires, so that a stolen token of it is still recognised."""


class PurgeSessions(Housekeeping):
    """Deletes expired sessions, also of users who never come back."""

    name: ClassVar[str] = "purge_sessions"


class SessionPurger:
    """Handles `PurgeSessions`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    @property
    def handler(self) -> JobHandler[PurgeSessions]:
        """The handler for the job registry."""
        return JobHandler(PurgeSessions, self.run, abandon)

    async def run(self, lease: Lease, _work: PurgeSessions) -> None:
        """Delete in batches until nothing is left."""
        await delete_in_batches(lease.db, _PURGE, {"now": self._clock()})
