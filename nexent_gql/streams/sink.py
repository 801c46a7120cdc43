"""Numbers the events of a run, joins fast text deltas, and writes them to the log in the background."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import cast

from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.errors import UnavailableError
from nexent_gql.kernel.json import JsonObject, dumps
from nexent_gql.ports.engine import RunFailedError
from nexent_gql.ports.events import Entry, EventLog, StoredEntries
from nexent_gql.ports.run_events import (
    CodeDelta,
    ReasoningDelta,
    RunEventBody,
    RunFinished,
    StepFinished,
    TextDelta,
    UsageUpdated,
    encode_body,
)
from nexent_gql.streams.resume import SEQ_MARGIN, ResumePoint, resume
from nexent_gql.streams.text import clean, clean_text
from nexent_gql.streams.writer import LogWriter

FLUSH_TIMEOUT_S = 5.0
_CLAIM_PAUSE_S = 0.25
_CLOSING = (StepFinished, UsageUpdated, RunFinished)
_CLOSING_RESERVE = 1_000
_ENTRY_BYTES = 100
_NEW = StoredEntries(entries=(), first_seq=1, last_seq=0)

Delta = TextDelta | ReasoningDelta | CodeDelta


class RunTooLongError(RunFailedError):
    """The run has written more than the limits allow."""

    code = "RUN_TOO_LONG"


@dataclass(frozen=True, slots=True)
class SinkSettings:
    """Limits of a sink.

    Attributes:
        window_ms: Text within this time becomes one entry.
        refresh_s: Seconds after which a silent run writes its last entry again, in case the log was lost.
        max_entries: Entries of a run; closing events have a reserve.
        max_bytes: Bytes of all entries of a run.
        claim_timeout_s: Seconds that a later attempt waits for the log to answer its claim.
    """

    window_ms: int = 30
    refresh_s: float = 5.0
    max_entries: int = 20_000
    max_bytes: int = 16_000_000
    claim_timeout_s: float = 10.0

    def __post_init__(self) -> None:
        """Reject limits that would let attempts overlap.

        Raises:
            ValueError: `max_entries` is too large.
        """
        if self.max_entries + 2 * _CLOSING_RESERVE > SEQ_MARGIN:
            raise ValueError(f"max_entries is at most {SEQ_MARGIN - 2 * _CLOSING_RESERVE}")


DEFAULTS = SinkSettings()


class RunSink:
    """Takes the events of one attempt, on the event loop only.

    Text deltas within a window become one entry; the first one after a quiet window is sent at once. All other events
    are sent at once, after the text that waits.

    Args:
        log: The event log, in which this attempt has claimed the topic.
        topic: The run's topic.
        attempt: The attempt, from 1.
        start: The entries that exist already, by `resume`.
        clock: The time of entries.
        settings: Window and limits.
        on_stale: Called once when a newer attempt has taken over; later events are dropped.
        confirm: See `LogWriter`.
    """

    def __init__(
        self,
        log: EventLog,
        topic: str,
        attempt: int,
        *,
        start: ResumePoint,
        clock: Clock,
        settings: SinkSettings = DEFAULTS,
        on_stale: Callable[[], None] | None = None,
        confirm: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._attempt = attempt
        self._clock = clock
        self._settings = settings
        self._window_s = settings.window_ms / 1_000
        self._loop = asyncio.get_running_loop()
        self._entries = start.entries
        self._bytes = sum(_ENTRY_BYTES + len(dumps(entry.body)) for entry in start.entries)
        self._joined: _Joined | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._refresh_timer = self._loop.call_later(settings.refresh_s, self._on_refresh)
        self._writer = LogWriter(
            log, topic, attempt, start.entries, written=start.written, on_stale=on_stale, confirm=confirm
        )

    def emit(self, event: RunEventBody, *, hold: bool = False) -> None:
        """Add an event; returns at once.

        Args:
            event: What happened. Lone surrogates and NUL in its texts are replaced.
            hold: Delay it until `flush`, so that what it announces can be made durable first. Nothing may be
                emitted after it.

        Raises:
            RunTooLongError: The run is at its limits; the event is dropped.
        """
        if isinstance(event, Delta):
            self._join(event)
            return
        body = encode_body(event)
        size = _size_of(body)
        if size is None:
            body = cast("JsonObject", clean(body))
            size = len(dumps(body))
        self._charge(size, _CLOSING_RESERVE if isinstance(event, _CLOSING) else 0)
        self._seal()
        if hold:
            self._send()
            self._stop_timer()
        self._add(body, self._now_ms())
        if not hold:
            self._send()

    def history(self) -> Sequence[Entry]:
        """Return all entries of the topic so far, from position 1, to be archived."""
        self._seal()
        return tuple(self._entries)

    @property
    def last_seq(self) -> int:
        """The position of the newest entry; text that waits to be joined does not count."""
        return self._entries[-1].seq if self._entries else 0

    async def flush(self, timeout_s: float = FLUSH_TIMEOUT_S) -> None:
        """Wait until all emitted events are in the log.

        Raises:
            StaleAttemptError: A newer attempt has taken over.
            UnavailableError: Not written within `timeout_s`; writing continues in the background.
        """
        self._seal()
        self._send()
        await self._writer.flush(timeout_s)

    async def aclose(self) -> None:
        """Stop writing; entries that are not in the log yet are dropped. Call `flush` first."""
        self._stop_timer()
        self._refresh_timer.cancel()
        await self._writer.aclose()

    def _join(self, delta: Delta) -> None:
        """Join text to what waits; send it at once if nothing was sent in the last window."""
        text, size = _measure(delta.text)
        if not text:
            return
        joined = self._joined
        if joined is not None and joined.fits(delta):
            self._charge(size, 0)
            joined.texts.append(text)
        else:
            self._charge(size + _ENTRY_BYTES, 0)
            self._seal()
            self._joined = _Joined(delta, [text], self._now_ms())
        if self._timer is None:
            self._seal()
            self._send()
            self._timer = self._loop.call_later(self._window_s, self._on_window)

    def _on_window(self) -> None:
        self._timer = None
        if self._joined is not None:
            self._seal()
            self._send()
            self._timer = self._loop.call_later(self._window_s, self._on_window)

    def _on_refresh(self) -> None:
        self._refresh_timer = self._loop.call_later(self._settings.refresh_s, self._on_refresh)
        self._writer.refresh()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _seal(self) -> None:
        if (joined := self._joined) is not None:
            self._joined = None
            self._add(joined.body(), joined.at_ms)

    def _add(self, body: JsonObject, at_ms: int) -> None:
        self._entries.append(Entry(self.last_seq + 1, self._attempt, at_ms, body))

    def _send(self) -> None:
        self._writer.send()

    def _charge(self, size: int, reserve: int) -> None:
        is_long = len(self._entries) >= self._settings.max_entries + reserve
        if is_long or self._bytes + size > self._settings.max_bytes + reserve * _ENTRY_BYTES * 10:
            raise RunTooLongError(
                "The run has written more than a run may; ask for less, or in smaller pieces.",
                max_entries=self._settings.max_entries,
                max_bytes=self._settings.max_bytes,
            )
        self._bytes += size

    def _now_ms(self) -> int:
        return _epoch_ms(self._clock)


@asynccontextmanager
async def open_sink(
    log: EventLog,
    topic: str,
    attempt: int,
    *,
    clock: Clock,
    floor_seq: int | None = 0,
    settings: SinkSettings = DEFAULTS,
    on_stale: Callable[[], None] | None = None,
    confirm: Callable[[], Awaitable[None]] | None = None,
) -> AsyncGenerator[RunSink]:
    """Claim the topic and open a sink that continues where it ends.

    `floor_seq` is the highest position that is durable elsewhere, None if no attempt has begun before. The first
    attempt starts even if the log does not answer; a later one waits `claim_timeout_s`, because it must know what
    readers have seen.

    Raises:
        StaleAttemptError: A newer attempt has claimed the topic.
        UnavailableError: The log did not answer to a later attempt.
    """
    stored = await _claim(log, topic, attempt, settings.claim_timeout_s, is_first=floor_seq is None or attempt == 1)
    sink = RunSink(
        log,
        topic,
        attempt,
        start=resume(stored, floor_seq or 0, attempt, _epoch_ms(clock)),
        clock=clock,
        settings=settings,
        on_stale=on_stale,
        confirm=confirm,
    )
    try:
        yield sink
    finally:
        await sink.aclose()


async def _claim(log: EventLog, topic: str, attempt: int, timeout_s: float, *, is_first: bool) -> StoredEntries:
    """Claim, and retry for `timeout_s`; an empty topic is new, not lost, for the first attempt."""
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + timeout_s
    while True:
        try:
            stored = await log.claim(topic, attempt)
        except UnavailableError:
            if is_first:
                return _NEW
            if loop.time() + _CLAIM_PAUSE_S > give_up_at:
                raise
        else:
            return _NEW if is_first and not stored.entries else stored
        await asyncio.sleep(_CLAIM_PAUSE_S)


@dataclass(slots=True)
class _Joined:
    """Text that is still streaming; `first` has its agent and step."""

    first: Delta
    texts: list[str]
    at_ms: int

    def fits(self, delta: Delta) -> bool:
        """Return whether `delta` continues this text."""
        first = self.first
        return type(delta) is type(first) and delta.step == first.step and delta.agent_path == first.agent_path

    def body(self) -> JsonObject:
        """Return the entry's body, as `encode_body` would encode the joined text."""
        first = self.first
        return {"kind": first.kind, "agent_path": first.agent_path, "step": first.step, "text": "".join(self.texts)}


def _epoch_ms(clock: Clock) -> int:
    return int(clock().timestamp() * 1_000)


def _measure(text: str) -> tuple[str, int]:
    """Return text that can be stored, and its size in bytes."""
    if "\0" not in text:
        if text.isascii():
            return text, len(text)
        with suppress(UnicodeEncodeError):
            return text, len(text.encode())
    text = clean_text(text)
    return text, len(text.encode())


def _size_of(body: JsonObject) -> int | None:
    """Return the size of a body in bytes, or None if its texts must be cleaned."""
    try:
        encoded = dumps(body)
    except TypeError:  # what orjson raises for lone surrogates
        return None
    return None if rb"\u0000" in encoded else len(encoded)
