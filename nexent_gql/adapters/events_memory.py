"""The event log in this process's memory: for tests and for trying things out; nothing else sees it."""

from bisect import bisect_right
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from nexent_gql.adapters.events_queue import PushQueue
from nexent_gql.ports.events import (
    ERASED_ATTEMPT,
    FORGOTTEN,
    Entry,
    LogLostError,
    StaleAttemptError,
    Stored,
    Subscription,
)

_NOMINAL_BYTES = 500


@dataclass(slots=True)
class _Topic:
    """Entries in order; `first_attempt` is who claimed or wrote it when it was new."""

    first_attempt: int
    attempt: int
    entries: list[Entry] = field(default_factory=list[Entry])

    @property
    def last_seq(self) -> int:
        return self.entries[-1].seq if self.entries else 0


class MemoryEventLog:
    """Keeps every topic until it is forgotten on purpose; see `EventLog`.

    Args:
        max_entries: How many entries a topic keeps; older ones are forgotten first.
    """

    def __init__(self, *, max_entries: int = 50_000) -> None:
        self._max_entries = max_entries
        self._topics: dict[str, _Topic] = {}
        self._readers: dict[str, dict[PushQueue, None]] = {}

    def forget(self, topic: str) -> None:
        """Lose a topic, as a wiped store would."""
        self._topics.pop(topic, None)

    def reader_count(self, topic: str) -> int:
        """Tell how many listen to a topic."""
        return len(self._readers.get(topic, ()))

    async def append(self, topic: str, attempt: int, entries: Sequence[Entry]) -> None:
        """Add entries; see `EventLog.append`."""
        if not entries:
            return
        held = self._topics.get(topic)
        ahead = entries[0].from_seq - 1
        if held is not None and held.attempt > attempt:
            raise _stale(topic, attempt)
        if held is None or held.attempt < attempt:
            if ahead > 0:
                raise _lost(topic)
            held = self._topics[topic] = _Topic(attempt, attempt)
        elif ahead > held.last_seq:
            raise _lost(topic)
        fresh = [entry for entry in entries if entry.seq > held.last_seq]
        held.entries += fresh
        del held.entries[: -self._max_entries]
        for reader in self._readers.get(topic, ()) if fresh else ():
            reader.put(fresh, _NOMINAL_BYTES * len(fresh))

    async def claim(self, topic: str, attempt: int) -> Stored:
        """Refuse all lower attempts from now on; see `EventLog.claim`."""
        held = self._topics.setdefault(topic, _Topic(attempt, attempt))
        if held.attempt > attempt:
            raise _stale(topic, attempt)
        held.attempt = attempt
        return await self.read(topic, 0, self._max_entries)

    async def read(self, topic: str, after: int, limit: int = 1_000) -> Stored:
        """Return the entries behind `after`; see `EventLog.read`."""
        held = self._topics.get(topic)
        if held is None or (not held.entries and held.first_attempt > 1):
            return FORGOTTEN
        start = bisect_right(held.entries, after, key=lambda entry: entry.seq)
        found = held.entries[start : start + limit]
        return Stored(found, held.entries[0].from_seq if held.entries else 1, held.last_seq)

    async def erase(self, topic: str) -> None:
        """Delete all entries and refuse all writers; see `EventLog.erase`."""
        self._topics[topic] = _Topic(ERASED_ATTEMPT, ERASED_ATTEMPT)
        await self.notify_readers(topic)

    async def notify_readers(self, topic: str) -> None:
        """Make every reader read again; see `EventLog.notify_readers`."""
        for reader in self._readers.get(topic, ()):
            reader.reread()

    @asynccontextmanager
    async def subscribe(self, topic: str) -> AsyncGenerator[Subscription]:
        """Listen; see `EventLog.subscribe`."""
        reader = PushQueue()
        self._readers.setdefault(topic, {})[reader] = None
        try:
            yield reader
        finally:
            reader.close()
            readers = self._readers[topic]
            del readers[reader]
            if not readers:
                del self._readers[topic]


def _lost(topic: str) -> LogLostError:
    return LogLostError("The event log has lost this topic; it has to be written anew.", topic=topic)


def _stale(topic: str, attempt: int) -> StaleAttemptError:
    return StaleAttemptError("A newer attempt writes this topic.", topic=topic, attempt=attempt)
