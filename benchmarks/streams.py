"""Tokens on their way to many sockets: who reads them, at what pace they are written, and what one trial measured."""

import asyncio
import re
import time
from array import array
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from benchmarks.environment import Served
from benchmarks.report import quantile
from benchmarks.sources import Source, stamped
from benchmarks.wire import Socket

DOCUMENT = """
subscription ($run: ID!, $after: String) {
  runEvents(runId: $run, after: $after) {
    __typename seq cursor
    ... on TextDelta { text }
    ... on RunFinished { status }
  }
}
"""
_STAMP = re.compile(rb'"text":"(\d+)')
_DRAIN_S = 3.0
_JOIN_S = 60.0
_PROBE_S = 1.0
_REST_S = 0.2
_TICK_S = 0.001


@dataclass(slots=True)
class Readers:
    """Sockets of one trial, `each` on every run, and when what came to them."""

    sockets: list[Socket] = field(default_factory=list[Socket])
    counts: list[int] = field(default_factory=list[int])
    delivered: int = 0
    lags_ns: "array[int]" = field(default_factory=lambda: array("q"))
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def listener(self) -> Callable[[bytes], None]:
        """Make the callback of one more socket."""
        index = len(self.counts)
        self.counts.append(0)

        def on_message(message: bytes) -> None:
            stamp = _STAMP.search(message)
            if stamp is None:
                if b'"errors"' in message or b'"error"' in message:
                    raise AssertionError(message)
                return
            self.lags_ns.append(time.monotonic_ns() - int(stamp[1]))
            self.counts[index] += 1
            self.delivered += 1
            self.arrived.set()

        return on_message


@asynccontextmanager
async def reading(served: Served, source: Source, runs: int, each: int) -> AsyncGenerator[Readers]:
    """Subscribe, and go on when a token has reached every socket; then forget what was counted."""
    readers = Readers()
    try:
        for number in range(runs * each):
            socket = await Socket.open(served.port, readers.listener(), served.token)
            readers.sockets.append(socket)
            socket.subscribe(DOCUMENT, **source.variables(number % runs))
        await _joined(readers, source, runs)
        yield readers
    finally:
        for socket in readers.sockets:
            socket.drop()
        await asyncio.gather(*(socket.closed for socket in readers.sockets))


async def _joined(readers: Readers, source: Source, runs: int) -> None:
    """Write a token now and then, until one has come to every socket; then forget them."""
    async with asyncio.timeout(_JOIN_S):
        while not all(readers.counts):
            waiting = {index % runs for index, count in enumerate(readers.counts) if not count}
            await asyncio.gather(*(source.publish(run, stamped()) for run in waiting))
            with suppress(TimeoutError):
                async with asyncio.timeout(_PROBE_S):
                    while not all(readers.counts):
                        readers.arrived.clear()
                        await readers.arrived.wait()
    await asyncio.sleep(_REST_S)
    readers.counts = [0] * len(readers.counts)
    readers.delivered = 0


@dataclass(frozen=True, slots=True)
class Trial:
    """What one server did in one window.

    Attributes:
        cpu_us: Microseconds of the server's CPU for each delivered token.
        behind_s: How many seconds' worth of tokens were on their way at the end, at the offered rate.
        lost: Tokens that had not come 3 s after the end.
    """

    cpu_us: float
    delivered_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    behind_s: float
    lost: int
    busy: float


@dataclass(slots=True)
class Publisher:
    """Writes tokens, and counts them."""

    source: Source
    runs: int
    chars: int = 0
    published: int = 0

    async def steadily(self, rate: float, seconds: float) -> None:
        """Write `rate` tokens a second for each run, runs spread evenly over the time between two tokens."""
        began, overall_rate = time.monotonic(), rate * self.runs
        for number in range(int(rate * seconds) * self.runs):
            wait_s = began + number / overall_rate - time.monotonic()
            if wait_s > 0:
                await asyncio.sleep(max(wait_s, _TICK_S))
            self.published += 1
            await self.source.publish(number % self.runs, stamped(self.chars))


@dataclass(frozen=True, slots=True)
class Load:
    """What is offered: `rate` tokens/s for each of `runs` runs, each read by `each` sockets."""

    name: str
    runs: int
    each: int
    rate: float


async def measure(served: Served, source: Source, load: Load, *, warm_s: float, seconds: float) -> Trial:
    """Run one trial: subscribe, warm up, measure, drain, leave."""
    async with reading(served, source, load.runs, load.each) as readers:
        publisher = Publisher(source, load.runs)
        await publisher.steadily(load.rate, warm_s)
        await _drained(publisher, readers, load.each)
        readers.lags_ns = array("q")
        began_at, cpu_s, before = time.monotonic(), served.process.cpu_s(), readers.delivered
        await publisher.steadily(load.rate, seconds)
        delivered, took_s = readers.delivered - before, time.monotonic() - began_at
        cpu_s = served.process.cpu_s() - cpu_s
        behind = publisher.published * load.each - readers.delivered
        lags_ms = [lag / 1e6 for lag in readers.lags_ns]
        lost = await _drained(publisher, readers, load.each)
    return Trial(
        cpu_us=cpu_s / max(delivered, 1) * 1e6,
        delivered_s=delivered / took_s,
        p50_ms=quantile(lags_ms, 0.5),
        p95_ms=quantile(lags_ms, 0.95),
        p99_ms=quantile(lags_ms, 0.99),
        behind_s=behind / max(delivered / took_s, 1),
        lost=lost,
        busy=cpu_s / took_s,
    )


async def _drained(publisher: Publisher, readers: Readers, each: int) -> int:
    """Wait until everything has come, at most 3 s; return what has not."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_S):
            while publisher.published * each > readers.delivered:
                readers.arrived.clear()
                await readers.arrived.wait()
    return publisher.published * each - readers.delivered
