"""The event log in this process's memory, for tests."""

from bisect import bisect_right
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from nexent_gql.adapters.push_queue import PushQueue
from nexent_gql.ports.events import ERASED_ATTEMPT, UNKNOWN_TOPIC, Entry, LogLostError, StaleAttemptError, StoredEntries

_NOMINAL_BYTES = 500


@dataclass(slots=True)
class _Topic:
    """Entries in order; `first_attempt` claimed or wrote the topic first."""

    first_attempt: int
    attempt: int
    entries: list[Entry] = field(default_factory=list[Entry])

    @property
    def last_seq(self) -> int:
        return self.entries[-1].seq if self.entries else 0


class MemoryEventLog:
    """Implements `EventLog`; topics are kept until `drop`.

    Args:
        max_entries: Entries that a topic keeps; the oldest are dropped first.
    """

    def __init__(self, *, max_entries: int = 50_000) -> None:
        self._max_entries = max_entries
        self._topics: dict[str, _Topic] = {}
        self._readers: dict[str, dict[PushQueue, None]] = {}

    def drop(self, topic: str) -> None:
        """Lose a topic, as a wiped store would."""
        self._topics.pop(topic, None)

    def reader_count(self, topic: str) -> int:
        """Return the number of subscribers of a topic."""
        return len(self._readers.get(topic, ()))

    async def append(self, topic: str, attempt: int, entries: Sequence[Entry]) -> None:
        """Add entries; see `EventLog.append`."""
        if not entries:
            return
        stored = self._topics.get(topic)
        previous_seq = entries[0].from_seq - 1
        if stored is not None and stored.attempt > attempt:
            raise StaleAttemptError(topic=topic, attempt=attempt)
        if stored is None or stored.attempt < attempt:
            if previous_seq > 0:
                raise LogLostError(topic)
            stored = self._topics[topic] = _Topic(attempt, attempt)
        elif previous_seq > stored.last_seq:
            raise LogLostError(topic)
        fresh = [entry for entry in entries if entry.seq > stored.last_seq]
        stored.entries += fresh
        del stored.entries[: -self._max_entries]
        for reader in self._readers.get(topic, ()) if fresh else ():
            reader.put(fresh, _NOMINAL_BYTES * len(fresh))

    async def claim(self, topic: str, attempt: int) -> StoredEntries:
        """Reject all lower attempts from now on; see `EventLog.claim`."""
        stored = self._topics.setdefault(topic, _Topic(attempt, attempt))
        if stored.attempt > attempt:
            raise StaleAttemptError(topic=topic, attempt=attempt)
        stored.attempt = attempt
        return await self.read(topic, 0, self._max_entries)

    async def read(self, topic: str, after: int, limit: int = 1_000) -> StoredEntries:
        """Return the entries after `after`; see `EventLog.read`."""
        stored = self._topics.get(topic)
        if stored is None or (not stored.entries and stored.first_attempt > 1):
            return UNKNOWN_TOPIC
        start = bisect_right(stored.entries, after, key=lambda entry: entry.seq)
        page = stored.entries[start : start + limit]
        return StoredEntries(page, stored.entries[0].from_seq if stored.entries else 1, stored.last_seq)

    async def erase(self, topic: str) -> None:
        """Delete all entries and reject all writers; see `EventLog.erase`."""
        self._topics[topic] = _Topic(ERASED_ATTEMPT, ERASED_ATTEMPT)
        await self.notify_readers(topic)

    async def notify_readers(self, topic: str) -> None:
        """Make every reader read again; see `EventLog.notify_readers`."""
        for reader in self._readers.get(topic, ()):
            reader.reread()

    @asynccontextmanager
    async def subscribe(self, topic: str) -> AsyncGenerator[PushQueue]:
        """Subscribe; see `EventLog.subscribe`."""
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
