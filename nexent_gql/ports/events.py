"""An append-only log of numbered events per topic, with push to live readers."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol, cast

from nexent_gql.kernel.errors import ConflictError, Detail, UnavailableError
from nexent_gql.kernel.json import JsonObject

GAP = "StreamGap"
"""The kind of an entry that stands for several."""

ERASED_ATTEMPT = 2**53
"""The attempt that an erased topic is claimed by; no writer has a higher one."""


@dataclass(slots=True)  # never changed; not frozen, because that makes one six times as expensive
class Entry:
    """An event in a topic.

    An entry of kind "StreamGap" stands for several: it covers `from_seq` to `to_seq`, and its own `seq` is `to_seq`.
    The entry after it has `to_seq + 1`.

    All readers of a topic in one process get the same object from the push.

    Attributes:
        seq: Position in the topic, from 1, without gaps.
        attempt: The attempt that wrote it first.
        at_ms: Time of writing in epoch milliseconds.
        body: The event as JSON.
        view: Cache of the API: the event that the first reader made of this entry.
    """

    seq: int
    attempt: int
    at_ms: int
    body: JsonObject
    view: object = field(default=None, compare=False, repr=False)

    @property
    def from_seq(self) -> int:
        """The first position that this entry stands for; `seq` itself, unless it is a gap."""
        return cast("int", self.body["from_seq"]) if self.body.get("kind") == GAP else self.seq


@dataclass(frozen=True, slots=True)
class StoredEntries:
    """Entries of a topic after a position, and the range that the store has.

    `first_seq` and `last_seq` delimit all entries of the topic in the store, whatever the position. Both are 0 when the
    store has nothing and does not know whether it ever had; a topic that is empty so far has `first_seq` 1 and
    `last_seq` 0.
    """

    entries: Sequence[Entry]
    first_seq: int
    last_seq: int


UNKNOWN_TOPIC = StoredEntries(entries=(), first_seq=0, last_seq=0)


class StaleAttemptError(ConflictError):
    """A newer attempt writes this topic; the writer that gets this error must stop."""

    code = "STALE_ATTEMPT"

    def __init__(self, message: str = "A newer attempt writes this topic.", **details: Detail) -> None:
        super().__init__(message, **details)


class LogLostError(UnavailableError):
    """The log has lost the topic (a wiped store); the writer must append all entries again."""

    code = "LOG_LOST"

    def __init__(self, topic: str) -> None:
        super().__init__("The event log has lost this topic; it must be written again.", topic=topic)


class Subscription(Protocol):
    """A reader's bounded queue of pushed entries; a slow reader does not use more memory."""

    async def next(self, timeout_s: float) -> Sequence[Entry] | None:
        """Return pushed entries in order; None means: read the store again (lost push, overflow or time-out)."""
        ...

    def on_push_inline(self, handle: Callable[[Sequence[Entry]], bool], /) -> None:
        """Offer pushes to `handle` first while the reader waits in `next`; it must not block.

        `handle` returns False to leave the push to `next`.
        """
        ...


class EventLog(Protocol):
    """Stores the events of live topics for a limited time, and pushes them to subscribers."""

    async def append(self, topic: str, attempt: int, entries: Sequence[Entry]) -> None:
        """Append consecutive entries as the writer `attempt`; entries that are there already change nothing.

        Entries that begin at 1 are always accepted from the highest attempt: a writer that appends all its entries
        restores a topic that was lost, and replaces the entries of a lower attempt. Entries keep the attempt that
        first wrote them.

        Raises:
            StaleAttemptError: A higher attempt has written or claimed the topic.
            LogLostError: The topic ends before the entry that precedes these, or is not this attempt's.
            UnavailableError: The store does not answer; the entries may or may not be stored.
        """
        ...

    async def claim(self, topic: str, attempt: int) -> StoredEntries:
        """Make `attempt` the topic's only writer and return all entries; idempotent.

        Attempts count from 1, and nothing was written before attempt 1: a topic that is empty for a higher attempt was
        never written or is lost, which `StoredEntries` distinguishes where it can.

        Raises:
            StaleAttemptError: A higher attempt claimed the topic before.
            UnavailableError: The store does not answer.
        """
        ...

    async def read(self, topic: str, after: int, limit: int = 1_000) -> StoredEntries:
        """Return the entries after position `after`, at most `limit`.

        Raises:
            UnavailableError: The store does not answer.
        """
        ...

    async def erase(self, topic: str) -> None:
        """Delete all entries of a topic for good: writers get StaleAttemptError from now on. Idempotent.

        Live readers read their store again.

        Raises:
            UnavailableError: The store does not answer; the entries may or may not be stored.
        """
        ...

    async def notify_readers(self, topic: str) -> None:
        """Make every live reader of the topic read its store again."""
        ...

    def subscribe(self, topic: str) -> AbstractAsyncContextManager[Subscription]:
        """Subscribe to a topic; once entered, no push is missed, so a read after it is complete."""
        ...
