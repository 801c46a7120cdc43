"""A log of numbered events per topic, with push to live readers."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from nexent_gql.kernel.errors import ConflictError, UnavailableError
from nexent_gql.kernel.json import JsonObject


@dataclass(frozen=True, slots=True)
class Entry:
    """An event in a topic: `seq` counts from 1 without gaps, `attempt` is who wrote it, `at_ms` when (epoch)."""

    seq: int
    attempt: int
    at_ms: int
    body: JsonObject


@dataclass(frozen=True, slots=True)
class Stored:
    """What a store still has of a topic behind a position; both ends are 0 when it has nothing at all."""

    entries: Sequence[Entry]
    first_seq: int
    last_seq: int


class StaleAttemptError(ConflictError):
    """A newer attempt writes this topic now; whoever gets this must stop."""

    code = "STALE_ATTEMPT"


class LogLostError(UnavailableError):
    """The log has forgotten the topic (a wiped store); the writer has to give it all entries again."""

    code = "LOG_LOST"


class Subscription(Protocol):
    """One reader's place in the push; bounded, so a slow reader never grows memory."""

    async def next(self, timeout_s: float) -> Sequence[Entry] | None:
        """Return what came in, in order; None says: read the store again (lost push, overflow, or silence)."""
        ...


class EventLog(Protocol):
    """Keeps the events of live topics for a while, and pushes them to whoever listens."""

    async def append(self, topic: str, entries: Sequence[Entry]) -> None:
        """Add entries, which follow each other in `seq`; ones that are there already change nothing.

        Raises:
            StaleAttemptError: A higher attempt has written or claimed the topic.
            LogLostError: The topic ends before the entry ahead of these.
            UnavailableError: The store does not answer; nobody knows whether the entries are there.
        """
        ...

    async def claim(self, topic: str, attempt: int) -> Stored:
        """Make `attempt` the topic's only writer and return all that is there.

        Raises:
            StaleAttemptError: A higher attempt claimed the topic before.
            UnavailableError: The store does not answer.
        """
        ...

    async def read(self, topic: str, after: int, limit: int = 1_000) -> Stored:
        """Return the entries behind `after`, at most `limit`.

        Raises:
            UnavailableError: The store does not answer.
        """
        ...

    async def poke(self, topic: str) -> None:
        """Make every live reader of the topic read its store again."""
        ...

    def subscribe(self, topic: str) -> AbstractAsyncContextManager[Subscription]:
        """Listen to a topic; on entry the push is established, so a read after it misses nothing."""
        ...
