"""Reads a topic from a position: every later entry once, in order, whatever happens to the push.

A topic has an append-only store (the event log, or a table), optionally an archive that has all of it once it is
finished, and a push that may lose messages. The push only announces new entries; the stores are authoritative.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial

from nexent_gql.kernel.errors import UnavailableError
from nexent_gql.ports.events import GAP, Entry, EventLog, StoredEntries, Subscription
from nexent_gql.ports.run_events import StreamGap, encode_body
from nexent_gql.streams.event_stream import EventStream, InlineHandler

Read = Callable[[int], Awaitable[StoredEntries]]
"""Reads an append-only store after a position, some entries at a time.

A hole in its numbers counts as a loss: a store in a database must number entries in commit order.
"""

Archive = Callable[[int], Awaitable[StoredEntries | None]]
"""Reads a finished topic after a position; None while it is not finished. An archive does not change."""

RETRY_S = 0.25
"""The first wait after a store failed or lacked what the push announced; doubles up to `silence_s`."""


def follow(
    push: AbstractAsyncContextManager[Subscription],
    after: int,
    *,
    read: Read,
    archive: Archive | None = None,
    last_kind: str | None = None,
    is_last_kept: bool = False,
    silence_s: float = 30.0,
) -> EventStream[Entry]:
    """Return the entries after `after`, each once, in order of `seq`; end after the one of `last_kind`.

    Lost entries are replaced by one entry of kind "StreamGap"; a gap that a writer left is cut to what this reader
    lacks. A reader whose position is ahead of an unfinished topic waits; one at or after the end of a finished topic
    gets nothing. A store that fails is retried without limit. Closing the stream ends the subscription at once.

    Args:
        push: Entered first, so that nothing is lost between reading and listening.
        after: The last `seq` the reader has; 0 for the beginning.
        read: Read first for entries that the push did not bring.
        archive: Read for entries that `read` does not have.
        last_kind: The kind of the final entry; None if the topic never ends.
        is_last_kept: True for the event log, where the final entry has a fixed `seq` and a reader past it gets
            nothing, so that `follow` must check whether the topic has ended. False for stores that return a synthetic
            final entry after any position (deleted conversations).
        silence_s: Seconds without a push after which the stores are read.

    Raises:
        UnavailableError: On iteration: the push can't be established, and the topic has no archive.
    """
    reader = _TopicReader(after, read, archive, last_kind, silence_s, may_have_ended=is_last_kept)
    return EventStream(_entries(reader, push), _identity, reader.set_handler)


async def _entries(reader: "_TopicReader", push: AbstractAsyncContextManager[Subscription]) -> AsyncGenerator[Entry]:
    async with AsyncExitStack() as stack:
        subscription = await _subscribe(stack, push)
        if not isinstance(subscription, UnavailableError):
            subscription.on_push_inline(reader.handle_inline)
        while not reader.is_finished:
            if reader.is_behind:
                entries = await reader.load()
            elif isinstance(subscription, UnavailableError):
                raise subscription
            else:
                entries = reader.accept(await subscription.next(reader.wait_s))
            for entry in entries:
                yield entry


def follow_log(
    log: EventLog,
    topic: str,
    after: int,
    *,
    archive: Archive | None = None,
    last_kind: str | None = None,
    silence_s: float = 30.0,
) -> EventStream[Entry]:
    """Follow a topic whose store is the event log itself; see `follow`."""
    return follow(
        log.subscribe(topic),
        after,
        read=partial(log.read, topic),
        archive=archive,
        last_kind=last_kind,
        is_last_kept=True,
        silence_s=silence_s,
    )


def _identity(entry: Entry) -> Entry:
    return entry


async def _subscribe(
    stack: AsyncExitStack, push: AbstractAsyncContextManager[Subscription]
) -> Subscription | UnavailableError:
    """Subscribe; return the error as a value, because an archive may serve without a push."""
    try:
        return await stack.enter_async_context(push)
    except UnavailableError as error:
        return error


class _TopicReader:
    """The position of a reader, and what it does next: wait for a push, or read the stores."""

    def __init__(
        self,
        after: int,
        read: Read,
        archive: Archive | None,
        last_kind: str | None,
        silence_s: float,
        *,
        may_have_ended: bool,
    ) -> None:
        self._expected = after + 1
        self._read = read
        self._archive = archive
        self._last_kind = last_kind
        self._silence_s = silence_s
        self._may_have_ended = may_have_ended
        self._announced_seq = 0
        self._handler: InlineHandler | None = None
        self.wait_s = silence_s
        self.is_behind = True
        self.is_finished = False

    def set_handler(self, handler: InlineHandler) -> None:
        """Offer the next entry to `handler` first."""
        self._handler = handler

    def handle_inline(self, pushed: Sequence[Entry]) -> bool:
        """Pass a push to the inline handler if it is exactly the next entry, and not the last; return if handled."""
        if self._handler is None or len(pushed) != 1:
            return False
        (entry,) = pushed
        kind = entry.body.get("kind")
        if entry.seq != self._expected or kind in (self._last_kind, GAP):
            return False
        try:
            is_handled = self._handler(entry)
        except Exception:  # noqa: BLE001 - must not reach the push: the reader gets the entry, and raises the error
            return False
        if is_handled:
            self._expected += 1
            self._may_have_ended = False
        return is_handled

    def accept(self, pushed: Sequence[Entry] | None) -> Sequence[Entry]:
        """Return the entries of a push that come next; after a hole, or without a push, read the stores next."""
        if pushed is not None and len(pushed) == 1 and pushed[0].seq == pushed[0].from_seq == self._expected:
            self._advance(pushed[0])
            return pushed
        entries, hole = self._admit(pushed or ())
        self._announced_seq = max(self._announced_seq, hole.seq if hole else 0)
        self.is_behind = hole is not None or pushed is None
        return entries

    async def load(self) -> Sequence[Entry]:
        """Return the next entries of the stores; if they have none, wait for the push again."""
        stored = await _read_or_none(self._read(self._expected - 1))
        entries, hole = self._admit(stored.entries if stored else ())
        is_sure = stored is not None
        if not entries and not self.is_finished:
            entries, is_sure = await self._read_archive(stored, hole)
        self._schedule(is_sure=is_sure, has_entries=bool(entries))
        return entries

    async def _read_archive(self, stored: StoredEntries | None, hole: Entry | None) -> tuple[Sequence[Entry], bool]:
        """Return the next entries of the archive, else a gap; and whether that is certain."""
        try:
            archived = await self._archive(self._expected - 1) if self._archive else None
        except UnavailableError:
            return (), False
        if archived is not None:
            entries, archived_hole = self._admit(archived.entries)
            if entries:
                return entries, True
            holes = [entry for entry in (hole, archived_hole) if entry is not None]
            hole = min(holes, key=lambda entry: entry.from_seq, default=None)
            self.is_finished = hole is None
        elif stored is not None and hole is None:
            await self._check_end(stored)
        if stored is None:
            return (), self.is_finished
        return (self._bridge(hole) if hole is not None else ()), True

    async def _check_end(self, stored: StoredEntries) -> None:
        """Find out whether the reader of a silent topic is already past its last entry."""
        if self._last_kind is None or not self._may_have_ended or not 0 < stored.last_seq < self._expected:
            return
        self._may_have_ended = False
        ending = await _read_or_none(self._read(stored.last_seq - 1))
        entries = ending.entries if ending is not None else ()  # newer ones are read next
        self.is_finished = any(self._is_last(entry) for entry in entries if entry.seq < self._expected)

    def _admit(self, entries: Sequence[Entry]) -> tuple[Sequence[Entry], Entry | None]:
        """Return the entries that come next, and the first one after a hole."""
        fresh: list[Entry] = []
        for entry in entries:
            if entry.seq >= self._expected:
                if entry.seq > self._expected and entry.from_seq > self._expected:
                    return fresh, entry
                fresh.append(entry if entry.from_seq >= self._expected else _gap(self._expected, entry.seq, entry))
            self._advance(entry)
            if self.is_finished:
                break
        return fresh, None

    def _advance(self, entry: Entry) -> None:
        """Move the position to `entry`, if it is not past it already."""
        if entry.seq >= self._expected:
            self._expected = entry.seq + 1
            self._may_have_ended = False
        if self._is_last(entry):
            self.is_finished = True

    def _is_last(self, entry: Entry) -> bool:
        return self._last_kind is not None and entry.body.get("kind") == self._last_kind

    def _bridge(self, beyond: Entry) -> Sequence[Entry]:
        """Skip the lost entries before `beyond`."""
        gap = _gap(self._expected, beyond.from_seq - 1, beyond)
        self._expected = beyond.from_seq
        return (gap,)

    def _schedule(self, *, is_sure: bool, has_entries: bool) -> None:
        self.is_behind = has_entries
        if has_entries or (is_sure and self._announced_seq < self._expected):
            self.wait_s = self._silence_s
        elif self.wait_s == self._silence_s:
            self.wait_s = min(RETRY_S, self._silence_s)
        else:
            self.wait_s = min(self.wait_s * 2, self._silence_s)


async def _read_or_none(reading: Awaitable[StoredEntries]) -> StoredEntries | None:
    """Return None when the store is unavailable; the caller reads it again later."""
    try:
        return await reading
    except UnavailableError:
        return None


def _gap(from_seq: int, to_seq: int, beside: Entry) -> Entry:
    body = encode_body(StreamGap(from_seq=from_seq, to_seq=to_seq))
    return Entry(seq=to_seq, attempt=beside.attempt, at_ms=beside.at_ms, body=body)
