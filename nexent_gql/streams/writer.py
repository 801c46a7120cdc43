"""Writes entries to the event log in order, and again after the log was lost."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from nexent_gql.kernel.errors import UnavailableError
from nexent_gql.kernel.tasks import cancel
from nexent_gql.ports.events import Entry, EventLog, LogLostError, StaleAttemptError

MAX_BATCH = 500
FIRST_BACKOFF_S = 0.05
MAX_BACKOFF_S = 1.0


class LogWriter:
    """Writes `entries` as one attempt: one append at a time, retried if the log fails, all of them if it was lost.

    Args:
        log: The log to write to.
        topic: The topic, which this attempt has claimed.
        attempt: The writer's attempt.
        entries: The topic from its first entry; the caller appends to it.
        written: Number of entries that are in the log already.
        on_stale: Called once when a newer attempt has taken the topic over; nothing is written from then on.
        confirm: Awaited before a lost topic is rewritten; raises `StaleAttemptError` when this
            attempt is no longer the one that may write.
    """

    def __init__(
        self,
        log: EventLog,
        topic: str,
        attempt: int,
        entries: Sequence[Entry],
        *,
        written: int,
        on_stale: Callable[[], None] | None = None,
        confirm: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._log = log
        self._topic = topic
        self._attempt = attempt
        self._entries = entries
        self._written = written
        self._end = written
        self._on_stale = on_stale
        self._confirm = confirm
        self._was_sent = False
        self._stale: StaleAttemptError | None = None
        self._task: asyncio.Task[None] | None = None

    def send(self) -> None:
        """Write everything that is in the list now, in the background."""
        self._end = len(self._entries)
        self._was_sent = True
        if self._stale is None and (self._task is None or self._task.done()):
            self._raise_failure()
            self._task = asyncio.create_task(self._write(), name=f"write {self._topic}")

    def refresh(self) -> None:
        """Write the last entry again if nothing was sent since the last call.

        If the log has the entry, that only extends the topic's lifetime; if the topic was lost, it is written again, so
        that new readers of a silent run find it.
        """
        is_idle = self._stale is None and (self._task is None or self._task.done()) and not self._was_sent
        self._was_sent = False
        if is_idle and self._written == self._end > 0:
            self._raise_failure()
            self._written -= 1
            self._task = asyncio.create_task(self._write(), name=f"refresh {self._topic}")

    async def flush(self, timeout_s: float) -> None:
        """Wait until everything sent is in the log.

        Raises:
            StaleAttemptError: A newer attempt has taken over.
            UnavailableError: Not written within `timeout_s`; writing continues.
        """
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=timeout_s)
            if not self._task.done():
                raise UnavailableError("The event log does not answer.", topic=self._topic, timeout_s=timeout_s)
        self._raise_failure()
        if self._stale is not None:
            raise self._stale

    async def aclose(self) -> None:
        """Stop writing; entries that are not written yet are dropped."""
        task, self._task = self._task, None
        if task is not None and not task.done():
            await cancel(task)

    def _raise_failure(self) -> None:
        """Raise an unexpected error of the background task: a bug, not a failure of the log."""
        if self._task is not None and self._task.done():
            self._task.result()

    async def _write(self) -> None:
        backoff_s = 0.0
        while self._written < self._end and self._stale is None:
            try:
                await self._write_batch()
                backoff_s = 0.0
            except StaleAttemptError as error:
                self._give_up(error)
            except UnavailableError:
                backoff_s = min(MAX_BACKOFF_S, backoff_s * 2 or FIRST_BACKOFF_S)
                await asyncio.sleep(backoff_s)

    async def _write_batch(self) -> None:
        batch = self._entries[self._written : min(self._end, self._written + MAX_BATCH)]
        try:
            await self._log.append(self._topic, self._attempt, batch)
        except LogLostError:
            if self._confirm is not None:
                await self._confirm()
            if self._written == 0:
                raise
            self._written = 0
        else:
            self._written += len(batch)

    def _give_up(self, error: StaleAttemptError) -> None:
        self._stale = error
        if self._on_stale is not None:
            self._on_stale()
