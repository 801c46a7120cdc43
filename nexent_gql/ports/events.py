"""A log of numbered events per topic, with push to live readers."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol, cast

from nexent_gql.kernel.errors import ConflictError, UnavailableError
from nexent_gql.kernel.json import JsonObject

GAP = "StreamGap"
"""The kind of an entry that stands for several."""

ERASED_ATTEMPT = 2**53
"""The attempt that holds an erased topic; no writer has a higher one."""


@dataclass(slots=True)  # never changed; not frozen, because that makes one six times as expensive
class Entry:
    """An event in a topic: `seq` counts from 1 without gaps, `attempt` is who wrote it, `at_ms` when (epoch).

    One entry may stand for several: a body of kind "StreamGap" covers `from_seq` to `to_seq`, and has
    `to_seq` as its own `seq`. The entry behind it has `to_seq + 1`.

    All readers of a topic in one process get the same object from the push; what the first of them makes of it, to be
    shown, it leaves in `view` for the others.
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
class Stored:
    """What a store has of a topic behind a position.

    `first_seq` and `last_seq` are the ends of all that it has, whatever the position. Both are 0 when it
    has nothing and can't tell whether there ever was something; a topic that is known to be empty
    so far has `first_seq` 1 and `last_seq` 0.
    """

    entries: Sequence[Entry]
    first_seq: int
    last_seq: int


FORGOTTEN = Stored(entries=(), first_seq=0, last_seq=0)


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

    def divert(self, take: Callable[[Sequence[Entry]], bool], /) -> None:
        """From now on, while the reader waits in `next`, offer what comes in to `take` first; it returns at once.

        What `take` does not want, which it tells by False, is for `next`.
        """
        ...


class EventLog(Protocol):
    """Keeps the events of live topics for a while, and pushes them to whoever listens."""

    async def append(self, topic: str, attempt: int, entries: Sequence[Entry]) -> None:
        """Add entries as the writer `attempt`; they follow each other, and ones that are there change nothing.

        Entries that begin at 1 are always accepted from the highest attempt: a writer that gives all it
        knows restores a topic that was lost, and replaces what a lower attempt left there. Entries keep
        the attempt that first wrote them.

        Raises:
            StaleAttemptError: A higher attempt has written or claimed the topic.
            LogLostError: The topic ends before the entry ahead of these, or is not this attempt's.
            UnavailableError: The store does not answer; nobody knows whether the entries are there.
        """
        ...

    async def claim(self, topic: str, attempt: int) -> Stored:
        """Make `attempt` the topic's only writer and return all that is there; may be repeated.

        Attempts count from 1, and nothing was written before attempt 1: what a higher one finds empty
        was never written or is lost, which `Stored` tells apart where it can.

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

    async def erase(self, topic: str) -> None:
        """Delete all entries of a topic for good: whoever writes it gets StaleAttemptError from now on.

        Live readers read their store again. May be repeated.

        Raises:
            UnavailableError: The store does not answer; nobody knows whether the entries are there.
        """
        ...

    async def notify_readers(self, topic: str) -> None:
        """Make every live reader of the topic read its store again."""
        ...

    def subscribe(self, topic: str) -> AbstractAsyncContextManager[Subscription]:
        """Listen to a topic; on entry the push is established, so a read after it misses nothing."""
        ...
