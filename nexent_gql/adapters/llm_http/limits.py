"""How long and how large an answer may be, and the clock that watches over it."""

import asyncio
from dataclasses import asdict, dataclass, replace
from types import TracebackType
from typing import Self

from nexent_gql.ports.llm import ModelDeadlines, ModelTimeoutError


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Limits of one call; times in seconds.

    Any byte counts as life, also a comment of the stream. Times in which the caller does not read do not count.

    Attributes:
        first_byte_s: Without a byte, from the request to the first piece of the answer. A local server that loads its
            model may need minutes.
        first_content_s: From the request to the first piece of the answer, however much else comes.
        idle_s: Without a byte, in the middle of the answer.
        total_s: From the request to the end.
        unsettled_s: Without a byte, behind text that came together with a reason to end.
        tail_s: How long to wait for token counts behind a finished answer.
        stop_tail_s: As `tail_s`, behind a stop sequence that the provider ignored.
        drain_s: How long to wait for the end of the reply behind its end mark, to use the connection again.
        refusal_s: How long to read the body of a refusal.
        max_line_bytes: The longest line of an event stream.
        max_error_bytes: How much of a refusal is read.
        max_answer_chars: Text, reasoning and arguments together.
    """

    first_byte_s: float = 300
    first_content_s: float = 600
    idle_s: float = 120
    total_s: float = 1_200
    unsettled_s: float = 20
    tail_s: float = 3
    stop_tail_s: float = 3
    drain_s: float = 0.2
    refusal_s: float = 10
    max_line_bytes: int = 1_000_000
    max_error_bytes: int = 64_000
    max_answer_chars: int = 4_000_000


_NO_DEADLINES = ModelDeadlines()


def limits_of(limits: StreamLimits, deadlines: ModelDeadlines) -> StreamLimits:
    """Return `limits` with those of a model in place; the limit for connecting is the client's affair."""
    if deadlines == _NO_DEADLINES:
        return limits
    own = {name: value for name, value in asdict(deadlines).items() if value is not None and name != "connect_s"}
    return replace(limits, **own)


CLOCK_S = 0.001
"""More than the rounding of the event loop's clock."""


class CallTimer:
    """One timeout for a whole call, set again for each wait and off while the caller has the answer in hand.

    `async with timer` around the call, `with timer` around each wait. A timeout that ran on between the waits would
    cancel the caller in the middle of its own work. A wait only notes its deadline; one timer of the event loop looks
    at it when it may have passed, because setting a timer for each piece of an answer costs more than reading it.
    """

    def __init__(self, limits: StreamLimits) -> None:
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._timeout = asyncio.timeout(None)
        self._look_at = float("inf")
        self._timer: asyncio.TimerHandle | None = None
        self._deadline: float | None = None
        self._spent_s = 0.0
        self._since = 0.0
        self.has_begun = False
        self.answered = False

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        await self._timeout.__aexit__(kind, error, trace)

    def __enter__(self) -> None:
        limits = self._limits
        self._since = self._loop.time()
        wait_s = limits.idle_s if self.has_begun else min(limits.first_byte_s, limits.first_content_s - self._spent_s)
        self._deadline = self._since + min(wait_s, limits.total_s - self._spent_s)
        if self._deadline < self._look_at:
            self._look_later(self._deadline)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._spent_s += self._loop.time() - self._since
        self._deadline = None
        if self._timeout.when() is not None and not self._timeout.expired():
            self._timeout.reschedule(None)  # the wait ended in the same moment as its time

    def _look_later(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._look_at = when
        self._timer = self._loop.call_at(when, self._look)

    def _look(self) -> None:
        now = self._loop.time()
        self._timer, self._look_at = None, float("inf")
        if self._deadline is None:
            return
        if self._deadline <= now:
            self._timeout.reschedule(now)
        else:
            self._look_later(self._deadline)

    def error(self) -> ModelTimeoutError:
        """Say which limit was reached."""
        if self._spent_s >= self._limits.total_s - CLOCK_S:
            return ModelTimeoutError(
                "The answer took longer than is allowed. Ask for a shorter one.",
                cause="TOTAL",
                limit_s=self._limits.total_s,
            )
        if self.has_begun:
            return ModelTimeoutError(
                "The provider fell silent in the middle of the answer. Try again.",
                cause="IDLE",
                limit_s=self._limits.idle_s,
            )
        is_content = self._spent_s >= self._limits.first_content_s - CLOCK_S
        return ModelTimeoutError(
            "The provider did not begin to answer in time. Try again, or use a faster model.",
            cause="FIRST_CONTENT" if is_content else "FIRST_BYTE",
            limit_s=self._limits.first_content_s if is_content else self._limits.first_byte_s,
        )
