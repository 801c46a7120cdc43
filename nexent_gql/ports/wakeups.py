"""Wake up workers; a lost wake-up costs a second, never work: workers with a free slot also look by themselves."""

from collections.abc import AsyncGenerator
from typing import Protocol
from uuid import UUID


class Receiver(Protocol):
    """One queue of one worker process."""

    @property
    def has_free_slot(self) -> bool:
        """Whether it could start a job; a wake-up goes only to a process that can."""
        ...

    def wake(self) -> None:
        """Look for jobs that could start."""
        ...


class Wakeups(Protocol):
    """Carries wake-ups and cancellations from any process to the workers."""

    async def wake(self, queue: str) -> None:
        """Wake one worker of `queue` that has a free slot, now or when there is one.

        A second wake-up of a queue, while the first has not been taken, changes nothing.

        Raises:
            UnavailableError: The carrier does not answer.
        """
        ...

    async def serve(self, queue: str, receiver: Receiver) -> None:
        """Hand the wake-ups of a queue to `receiver`, until cancelled; survives reconnects."""
        ...

    async def cancel(self, job_id: UUID) -> None:
        """Tell every worker that this job is to be cancelled now.

        Raises:
            UnavailableError: The carrier does not answer.
        """
        ...

    def cancellations(self) -> AsyncGenerator[UUID]:
        """Yield the jobs that are cancelled from now on.

        Survives reconnects, but may miss some; the renewal of the lease finds those.
        """
        ...
