"""Following a topic from a position: every later entry once, in order, whatever happens to the push.

A topic has a store that grows (the event log, or a table), perhaps an archive that has it whole once it is
finished, and a push that may lose anything. The push only says what is new; the stores decide.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial

from nexent_gql.kernel.errors import UnavailableError
from nexent_gql.ports.events import GAP, Entry, EventLog, Stored, Subscription
from nexent_gql.ports.run_events import StreamGap, encode_body
from nexent_gql.streams.following import Following, Tap

Read = Callable[[int], Awaitable[Stored]]
"""Reads a growing store behind a position, some entries at a time.

A hole in what it shows is taken for a loss: a store in a database has to number entries in commit order.
"""

Archive = Callable[[int], Awaitable[Stored | None]]
"""Reads a finished topic behind a position; None while it is not finished. Nothing is ever added to an archive."""

RETRY_S = 0.25
"""The first wait when a store did not answer, or did not have what the push announced; doubles up to the silence."""


def follow(
    push: AbstractAsyncContextManager[Subscription],
    after: int,
    *,
    read: Read,
    archive: Archive | None = None,
    last_kind: str | None = None,
    is_last_kept: bool = False,
    silence_s: float = 30.0,
) -> Following[Entry]:
    """Return the entries behind `after`, each once, in order of `seq`; end behind the one of `last_kind`.

    Entries that can be had nowhere are replaced by one entry of kind "StreamGap"; a gap that a writer left is
    cut to what this reader misses. A position ahead of an unfinished topic waits there, one at or
    behind the end of a finished topic yields nothing. A store that fails is asked again, for ever.
    Closing it gives the subscription up at once.

    Args:
        push: Entered first, so that nothing is lost between reading and listening.
        after: The last `seq` the reader has; 0 for the beginning.
        read: Asked first for what the push did not bring.
        archive: Asked for what `read` does not have.
        last_kind: The kind of the entry behind which nothing comes; None: there is none.
        is_last_kept: The store keeps the last entry at one `seq`: a reader who comes behind it has to look back.
            Otherwise the store shows it behind whatever position it is asked for.
        silence_s: Seconds without a push after which the stores are read.

    Raises:
        UnavailableError: The push can't be established, and there is no archive of the topic; when iterated over.
    """
    reader = _Reader(after, read, archive, last_kind, silence_s, may_be_over=is_last_kept)
    return Following(_entries(reader, push), _itself, reader.set_tap)


async def _entries(reader: "_Reader", push: AbstractAsyncContextManager[Subscription]) -> AsyncGenerator[Entry]:
    async with AsyncExitStack() as stack:
        live = await _enter(stack, push)
        if not isinstance(live, UnavailableError):
            live.divert(reader.divert)
        while not reader.is_finished:
            if reader.is_behind:
                entries = await reader.load()
            elif isinstance(live, UnavailableError):
                raise live
            else:
                entries = reader.take(await live.next(reader.patience_s))
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
) -> Following[Entry]:
    """Follow a topic whose growing store is the event log itself; see `follow`."""
    return follow(
        log.subscribe(topic),
        after,
        read=partial(log.read, topic),
        archive=archive,
        last_kind=last_kind,
        is_last_kept=True,
        silence_s=silence_s,
    )


def _itself(entry: Entry) -> Entry:
    return entry


async def _enter(
    stack: AsyncExitStack, push: AbstractAsyncContextManager[Subscription]
) -> Subscription | UnavailableError:
    """Return the error as a value: an archive may serve without a push."""
    try:
        return await stack.enter_async_context(push)
    except UnavailableError as error:
        return error


class _Reader:
    """Where a reader stands, and how it gets on."""

    def __init__(
        self,
        after: int,
        read: Read,
        archive: Archive | None,
        last_kind: str | None,
        silence_s: float,
        *,
        may_be_over: bool,
    ) -> None:
        self._expected = after + 1
        self._read = read
        self._archive = archive
        self._last_kind = last_kind
        self._silence_s = silence_s
        self._may_be_over = may_be_over
        self._announced_seq = 0
        self._tap: Tap | None = None
        self.patience_s = silence_s
        self.is_behind = True
        self.is_finished = False

    def set_tap(self, tap: Tap) -> None:
        """Offer what comes next to `tap` first."""
        self._tap = tap

    def divert(self, pushed: Sequence[Entry]) -> bool:
        """Give a push to the tap when it is just what comes next, and not the last; tell whether it was taken."""
        if self._tap is None or len(pushed) != 1:
            return False
        (entry,) = pushed
        kind = entry.body.get("kind")
        if entry.seq != self._expected or kind in (self._last_kind, GAP):
            return False
        try:
            taken = self._tap(entry)
        except Exception:  # noqa: BLE001 - not the hub's concern: the reader gets the entry, and meets the error itself
            return False
        if taken:
            self._expected += 1
            self._may_be_over = False
        return taken

    def take(self, pushed: Sequence[Entry] | None) -> Sequence[Entry]:
        """Return what of a push is next; behind a hole, or when there was none, the stores are to be read."""
        if pushed is not None and len(pushed) == 1 and pushed[0].seq == pushed[0].from_seq == self._expected:
            self._pass(pushed[0])
            return pushed
        entries, hole = self._admit(pushed or ())
        self._announced_seq = max(self._announced_seq, hole.seq if hole else 0)
        self.is_behind = hole is not None or pushed is None
        return entries

    async def load(self) -> Sequence[Entry]:
        """Return the next entries of the stores; when they have none, go back to waiting for the push."""
        stored = await _answer(self._read(self._expected - 1))
        entries, hole = self._admit(stored.entries if stored else ())
        is_sure = stored is not None
        if not entries and not self.is_finished:
            entries, is_sure = await self._consult_archive(stored, hole)
        self._settle(is_sure=is_sure, has_entries=bool(entries))
        return entries

    async def _consult_archive(self, stored: Stored | None, hole: Entry | None) -> tuple[Sequence[Entry], bool]:
        """Return what the archive has next, else a gap; and whether that is certain."""
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
            await self._look_at_the_end(stored)
        if stored is None:
            return (), self.is_finished
        return (self._bridge(hole) if hole is not None else ()), True

    async def _look_at_the_end(self, stored: Stored) -> None:
        """Find out whether a reader who came to a silent topic is behind its last entry already."""
        if self._last_kind is None or not self._may_be_over or not 0 < stored.last_seq < self._expected:
            return
        self._may_be_over = False
        ending = await _answer(self._read(stored.last_seq - 1))
        known = ending.entries if ending is not None else ()  # and what came since the first look is still to be told
        self.is_finished = any(self._is_last(entry) for entry in known if entry.seq < self._expected)

    def _admit(self, entries: Sequence[Entry]) -> tuple[Sequence[Entry], Entry | None]:
        """Return what is next of `entries`, and the first one that lies behind a hole."""
        fresh: list[Entry] = []
        for entry in entries:
            if entry.seq >= self._expected:
                if entry.seq > self._expected and entry.from_seq > self._expected:
                    return fresh, entry
                fresh.append(entry if entry.from_seq >= self._expected else _gap(self._expected, entry.seq, entry))
            self._pass(entry)
            if self.is_finished:
                break
        return fresh, None

    def _pass(self, entry: Entry) -> None:
        """Stand behind `entry`, if not behind a later one already."""
        if entry.seq >= self._expected:
            self._expected = entry.seq + 1
            self._may_be_over = False
        if self._is_last(entry):
            self.is_finished = True

    def _is_last(self, entry: Entry) -> bool:
        return self._last_kind is not None and entry.body.get("kind") == self._last_kind

    def _bridge(self, beyond: Entry) -> Sequence[Entry]:
        """Give up what lies ahead of `beyond`."""
        gap = _gap(self._expected, beyond.from_seq - 1, beyond)
        self._expected = beyond.from_seq
        return (gap,)

    def _settle(self, *, is_sure: bool, has_entries: bool) -> None:
        self.is_behind = has_entries
        if has_entries or (is_sure and self._announced_seq < self._expected):
            self.patience_s = self._silence_s
        elif self.patience_s == self._silence_s:
            self.patience_s = min(RETRY_S, self._silence_s)
        else:
            self.patience_s = min(self.patience_s * 2, self._silence_s)


async def _answer(answer: Awaitable[Stored]) -> Stored | None:
    """Return None when a store does not answer; it is asked again after a while."""
    try:
        return await answer
    except UnavailableError:
        return None


def _gap(from_seq: int, to_seq: int, beside: Entry) -> Entry:
    body = encode_body(StreamGap(from_seq=from_seq, to_seq=to_seq))
    return Entry(seq=to_seq, attempt=beside.attempt, at_ms=beside.at_ms, body=body)
