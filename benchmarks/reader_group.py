"""Subscribers of all behaviors: each insists on seeing every event once and in order."""

import asyncio
import random
import re
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum

from benchmarks.environment import Served
from benchmarks.sources import LogSource
from benchmarks.streams import DOCUMENT
from benchmarks.wire import Socket
from nexent_gql.streams.cursors import cursor

_EVENT = re.compile(rb'"seq":(\d+).*?"text":"(\d+)')
_SMALL_BYTES = 4_096


class ReaderBehavior(Enum):
    """How a subscriber reads."""

    STEADY = "steady"
    SLOW = "slow"
    STALLED = "stalled"
    LEAVING = "leaving"


@dataclass(slots=True)
class Reader:
    """One subscriber, over however many sockets; `wrong` counts events that were not the next one."""

    served: Served
    source: LogSource
    run: int
    behavior: ReaderBehavior
    random: random.Random
    seq: int = 0
    wrong: int = 0
    lags_ms: list[float] = field(default_factory=list[float])
    socket: Socket | None = None
    sockets: int = 0

    async def join(self) -> None:
        """Subscribe behind the last event it has."""
        small = _SMALL_BYTES if self.behavior in {ReaderBehavior.STALLED, ReaderBehavior.SLOW} else None
        token = self.served.token
        self.socket = await Socket.open(self.served.port, self.take, token, receive_bytes=small)
        after = cursor(self.source.runs[self.run], self.seq)
        self.socket.subscribe(DOCUMENT, run=self.source.ids[self.run], after=after)
        self.sockets += 1

    def take(self, message: bytes) -> None:
        """Check one event."""
        if b'"type":"next"' not in message:
            return
        event = _EVENT.search(message)
        if event is None or int(event[1]) != self.seq + 1:
            self.wrong += 1
            return
        self.seq += 1
        self.lags_ms.append((time.monotonic_ns() - int(event[2])) / 1e6)

    async def behave(self, stop: asyncio.Event) -> None:
        """Do what its behavior is, until `stop`; ends with a socket that is open."""
        if self.behavior is ReaderBehavior.STALLED and self.socket is not None:
            self.socket.stall()
        while not stop.is_set():
            if self.behavior is ReaderBehavior.SLOW:
                await self._doze()
            elif self.behavior is ReaderBehavior.LEAVING:
                await self._leave()
            else:
                await stop.wait()

    async def _doze(self) -> None:
        if self.socket is not None:
            self.socket.stall()
            await asyncio.sleep(0.9)
            self.socket.go_on()
            await asyncio.sleep(0.1)

    async def _leave(self) -> None:
        await asyncio.sleep(self.random.uniform(0.3, 2.0))
        if self.socket is not None:
            self.socket.drop()
        await asyncio.sleep(self.random.uniform(0.0, 0.3))
        await self.join()


@dataclass(slots=True)
class ReaderGroup:
    """All readers of one load."""

    readers: list[Reader]

    def of(self, behavior: ReaderBehavior) -> list[Reader]:
        """Return those of one behavior."""
        return [reader for reader in self.readers if reader.behavior is behavior]

    def lags_ms(self) -> list[float]:
        """Return how late events came to the steady ones."""
        return [lag for reader in self.of(ReaderBehavior.STEADY) for lag in reader.lags_ms]

    async def all_have(self, within_s: float) -> list[Reader]:
        """Let everybody read; return those who do not have everything in time."""
        for reader in self.readers:
            if reader.socket is not None:
                reader.socket.go_on()
        deadline = time.monotonic() + within_s
        while self._late() and time.monotonic() < deadline:  # noqa: ASYNC110 - thousands of callbacks, one who waits
            await asyncio.sleep(0.05)
        return self._late()

    def _late(self) -> list[Reader]:
        return [reader for reader in self.readers if reader.seq < reader.source.seqs[reader.run]]


@asynccontextmanager
async def open_readers(
    served: Served, source: LogSource, behaviors: list[ReaderBehavior], runs: int
) -> AsyncGenerator[ReaderGroup]:
    """Subscribe a reader for each behavior, runs in turn; they behave so within the block, and read on behind it."""
    group = ReaderGroup([_reader(served, source, number % runs, behavior) for number, behavior in enumerate(behaviors)])
    for reader in group.readers:
        await reader.join()
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for reader in group.readers:
            tasks.create_task(reader.behave(stop))
        try:
            yield group
        finally:
            stop.set()


def _reader(served: Served, source: LogSource, run: int, behavior: ReaderBehavior) -> Reader:
    return Reader(served, source, run, behavior, random.Random(run), seq=source.seqs[run])  # noqa: S311 - a seed


async def close_readers(group: ReaderGroup) -> None:
    """Let everybody leave without a word."""
    for reader in group.readers:
        if reader.socket is not None:
            reader.socket.drop()
            await reader.socket.closed
