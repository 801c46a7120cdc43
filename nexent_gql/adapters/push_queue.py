"""A reader's bounded queue of pushes; on overflow the reader reads its store again."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from nexent_gql.ports.events import Entry

MAX_BATCHES = 256
MAX_BYTES = 1_000_000


class PushQueue:
    """Implements `Subscription`: holds pushes until its one reader takes them.

    Args:
        max_batches: Waiting batches; with more the queue is emptied, and the reader reads its store again.
        max_bytes: The same for bytes; a single batch may be larger.
    """

    def __init__(self, *, max_batches: int = MAX_BATCHES, max_bytes: int = MAX_BYTES) -> None:
        self._max_batches = max_batches
        self._max_bytes = max_bytes
        self._batches: deque[Sequence[Entry]] = deque()
        self._bytes = 0
        self._is_stale = False
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._timeout_s = 0.0
        self._handle: Callable[[Sequence[Entry]], bool] = _decline

    def on_push_inline(self, handle: Callable[[Sequence[Entry]], bool], /) -> None:
        self._handle = handle

    def put(self, entries: Sequence[Entry], size_bytes: int) -> None:
        """Add a push; one that does not fit empties the queue and makes the reader read its store again."""
        if self._waiter is not None and not self._waiter.done() and self._handle(entries):
            self._deadline = self._loop.time() + self._timeout_s
            return
        is_full = len(self._batches) >= self._max_batches or self._bytes + size_bytes > self._max_bytes
        if is_full and self._batches:
            self.reread()
            return
        self._batches.append(entries)
        self._bytes += size_bytes
        self._wake()

    def reread(self) -> None:
        """Make the reader read its store again, which also has what waits here."""
        self._batches.clear()
        self._bytes = 0
        self._is_stale = True
        self._wake()

    async def next(self, timeout_s: float) -> Sequence[Entry] | None:
        """Return all that waits, or wait; None after `timeout_s`, or if pushes were lost."""
        if not self._batches and not self._is_stale:
            self._set_timer(timeout_s)
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        if self._is_stale or not self._batches:
            self._is_stale = False
            return None
        self._bytes = 0
        if len(self._batches) == 1:
            return self._batches.popleft()
        entries = [entry for batch in self._batches for entry in batch]
        self._batches.clear()
        return entries

    def close(self) -> None:
        """Cancel the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _set_timer(self, timeout_s: float) -> None:
        """Limit a wait; the timer is shared by successive waits, so that a push does not need a new one."""
        self._timeout_s = timeout_s
        self._deadline = self._loop.time() + timeout_s
        if self._timer is None or self._timer.when() > self._deadline:
            self.close()
            self._timer = self._loop.call_at(self._deadline, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        if self._waiter is None:
            return
        if self._loop.time() >= self._deadline:
            self._wake()
        else:
            self._timer = self._loop.call_at(self._deadline, self._on_timer)


def _decline(_entries: Sequence[Entry]) -> bool:
    return False
