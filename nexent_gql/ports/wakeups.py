"""Telling workers that there is work; a lost wake-up costs time, never work."""

from collections.abc import AsyncGenerator
from typing import Protocol
from uuid import UUID


class Wakeups(Protocol):
    """Carries wake-ups and cancellations from any process to the workers."""

    async def wake(self, queue: str, job_id: UUID, nonce: str) -> None:
        """Ask a worker of `queue` to look at a job; the same nonce twice is one wake-up.

        Raises:
            UnavailableError: The carrier does not answer.
        """
        ...

    async def cancel(self, job_id: UUID) -> None:
        """Tell every worker that this job is to be cancelled now.

        Raises:
            UnavailableError: The carrier does not answer.
        """
        ...

    def cancellations(self) -> AsyncGenerator[UUID]:
        """Yield the jobs that are cancelled from now on; survives reconnects, may miss some (the lease beat tells)."""
        ...
