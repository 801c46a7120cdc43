"""The event log on Redis: one stream per topic, pushed by pub/sub; see `redis_scripts` for the layout."""

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import cast

from nexent_gql.adapters.push_queue import PushQueue
from nexent_gql.adapters.redis_client import RedisClient
from nexent_gql.adapters.redis_scripts import APPEND, CLAIM, ERASE, READ
from nexent_gql.kernel.json import JsonObject, dumps, loads
from nexent_gql.ports.events import ERASED_ATTEMPT, UNKNOWN_TOPIC, Entry, LogLostError, StaleAttemptError, StoredEntries

MAX_ENTRIES = 50_000
MAX_COMMAND_BYTES = 512_000
_PAGE = 1_000
_MAX_SEQ = 2**53
_TOPIC = re.compile(r"[A-Za-z0-9._:/-]{1,200}")
_NOTIFICATION = b"[]"


def key_and_channel(topic: str) -> tuple[str, str]:
    """Return the key of a topic's stream and the name of its channel, on one slot of a cluster.

    Raises:
        ValueError: `topic` has characters that could make it another topic's key.
    """
    if _TOPIC.fullmatch(topic) is None:
        raise ValueError(f"not a topic: {topic!r}")
    return f"nx:{{{topic}}}:log", f"nx:{{{topic}}}:push"


class RedisEventLog:
    """One Redis stream per topic; see `EventLog`.

    Args:
        client: The process's connections to Redis.
        ttl_s: Seconds a topic is kept after its last append or claim.
        max_entries: Approximate number of entries that a topic keeps; the oldest are dropped first.

    Raises:
        ValueError: `ttl_s` or `max_entries` is not positive.
    """

    def __init__(self, client: RedisClient, *, ttl_s: int, max_entries: int = MAX_ENTRIES) -> None:
        if ttl_s <= 0 or max_entries <= 0:
            raise ValueError("ttl_s and max_entries must be positive")
        self._commands = client.commands
        self._pubsub = client.pubsub
        self._ttl_ms = ttl_s * 1_000
        self._max_entries = max_entries
        self._decoded: tuple[bytes, Sequence[Entry]] = (b"", ())

    async def append(self, topic: str, attempt: int, entries: Sequence[Entry]) -> None:
        """Add entries, at most about 500 kB in one step; see `EventLog.append`."""
        key, channel = key_and_channel(topic)
        step: list[str | bytes | int] = []
        size, previous_seq = 0, 0
        for entry in entries:
            value = dumps((entry.seq, entry.attempt, entry.at_ms, entry.body))
            if step and size + len(value) > MAX_COMMAND_BYTES:
                await self._append(topic, attempt, key, [previous_seq, self._ttl_ms, self._max_entries, channel, *step])
                step, size = [], 0
            if not step:
                previous_seq = entry.from_seq - 1
            step += (entry.seq, value)
            size += len(value)
        if step:
            await self._append(topic, attempt, key, [previous_seq, self._ttl_ms, self._max_entries, channel, *step])

    async def claim(self, topic: str, attempt: int) -> StoredEntries:
        """Reject all lower attempts from now on, then read everything; see `EventLog.claim`."""
        if await self._commands.run(CLAIM, key_and_channel(topic)[0], attempt, self._ttl_ms) != b"OK":
            raise StaleAttemptError(topic=topic, attempt=attempt)
        stored = page = await self.read(topic, 0)
        if not stored.entries:
            return stored
        entries = list(stored.entries)
        while entries[-1].seq < page.last_seq and page.entries:
            page = await self.read(topic, entries[-1].seq)
            entries += page.entries
        return StoredEntries(entries=entries, first_seq=stored.first_seq, last_seq=page.last_seq)

    async def read(self, topic: str, after: int, limit: int = _PAGE) -> StoredEntries:
        """Return the entries after `after`; see `EventLog.read`."""
        answer = await self._commands.run(READ, key_and_channel(topic)[0], min(after, _MAX_SEQ), limit)
        first, last, values = cast("tuple[int, int, bytes]", answer)
        if first == 0:
            return UNKNOWN_TOPIC
        return StoredEntries(entries=_entries(values), first_seq=first, last_seq=last)

    async def erase(self, topic: str) -> None:
        """Delete the stream and leave a claim above every writer's for `ttl_s`; see `EventLog.erase`."""
        key, channel = key_and_channel(topic)
        await self._commands.run(ERASE, key, ERASED_ATTEMPT, self._ttl_ms, channel)

    async def notify_readers(self, topic: str) -> None:
        """Push an empty batch; see `EventLog.notify_readers`."""
        await self._commands.publish(key_and_channel(topic)[1], _NOTIFICATION)

    @asynccontextmanager
    async def subscribe(self, topic: str) -> AsyncGenerator[PushQueue]:
        """Subscribe; see `EventLog.subscribe`.

        Raises:
            UnavailableError: Redis did not confirm the subscription within 5 s.
        """
        subscription = _TopicSubscription(self)
        try:
            async with self._pubsub.join(key_and_channel(topic)[1], subscription):
                yield subscription
        finally:
            subscription.close()

    def decode_once(self, payload: bytes) -> Sequence[Entry]:
        """Decode a push; the subscribers of a topic call this one after the other with the same object."""
        last_payload, entries = self._decoded
        if last_payload is not payload:
            entries = _entries(payload)
            self._decoded = (payload, entries)
        return entries

    async def _append(self, topic: str, attempt: int, key: str, arguments: Sequence[str | bytes | int]) -> None:
        answer = await self._commands.run(APPEND, key, attempt, *arguments)
        if answer == b"STALE":
            raise StaleAttemptError(topic=topic, attempt=attempt)
        if answer == b"LOST":
            raise LogLostError(topic)


class _TopicSubscription(PushQueue):
    """A subscriber of one topic."""

    def __init__(self, log: RedisEventLog) -> None:
        super().__init__()
        self._log = log

    def offer(self, payload: bytes, /) -> None:
        """Queue a push; an empty one is a notification."""
        if entries := self._log.decode_once(payload):
            self.put(entries, len(payload))
        else:
            self.reread()


def _entries(values: bytes) -> list[Entry]:
    rows: list[tuple[int, int, int, JsonObject]] = loads(values)  # pyright: ignore[reportAssignmentType] - as written
    if len(rows) == 1:
        return [Entry(*rows[0])]
    return [Entry(*row) for row in rows]
