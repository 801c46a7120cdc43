"""Slow, stalled and leaving readers beside steady ones, and what idle subscriptions hold."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import cast

import psutil

from benchmarks.bench import Bench
from benchmarks.environment import BenchEnvironment, Served
from benchmarks.fanout import Contender, contenders
from benchmarks.reader_group import ReaderBehavior, ReaderGroup, close_readers, open_readers
from benchmarks.report import Report, median, quantile, short
from benchmarks.sources import LogSource
from benchmarks.streams import DOCUMENT, Publisher
from benchmarks.wire import Socket

MAX_RISE_MS, MAX_GROWTH_MIB = 10.0, 100.0
_KIB, _MIB = 1024, 2**20
_CATCH_UP_S = 20.0
_GONE_S = 5.0


@dataclass(frozen=True, slots=True)
class Load:
    """How many runs, readers of each, tokens/s of each run, and how long a token is."""

    name: str
    runs: int
    each: int
    rate: float
    chars: int
    seconds: float

    def behaviors(self, *, mixed: bool) -> list[ReaderBehavior]:
        """Return what readers there are: all steady, or of ten one slow, one stalled and one leaving."""
        count = self.runs * self.each
        if not mixed:
            return [ReaderBehavior.STEADY] * count
        special = {1: ReaderBehavior.SLOW, 4: ReaderBehavior.STALLED, 7: ReaderBehavior.LEAVING}
        return [special.get(number % 10, ReaderBehavior.STEADY) for number in range(count)]


LOADS = (
    Load("50 subscribers of one run, 50 tokens/s of 8 kB", runs=1, each=50, rate=50, chars=8_000, seconds=8),
    Load("500 runs at once, 4 tokens/s of 4 kB each", runs=500, each=1, rate=4, chars=4_000, seconds=10),
)
SHORT = (Load("10 subscribers of one run", runs=1, each=10, rate=50, chars=2_000, seconds=0.6),)


@dataclass(slots=True)
class Measurement:
    """The measurements of one group of readers."""

    p50_ms: float = 0.0
    p99_ms: float = 0.0
    growth_mib: float = 0.0
    wrong: int = 0
    late: list[str] = field(default_factory=list[str])
    remaining: int = 0


async def run(bench: Bench) -> Report:
    """Measure each load with steady readers alone and with all behaviors, turn by turn; then idle subscriptions."""
    report = Report("readers", "Readers that are slow, stand still or leave, beside steady ones on the same server.")
    loads, rounds, idle = (SHORT, 1, 20) if bench.short else (LOADS, 3, 2_000)
    async with contenders(replace(bench, peers=()) if bench.short else bench) as servers:
        ours = servers["nexent-gql"]
        for load in loads:
            alone, mixed = list[Measurement](), list[Measurement]()
            for _ in range(rounds):
                alone.append(await _measure(bench.env, ours, load, mixed=False))
                mixed.append(await _measure(bench.env, ours, load, mixed=True))
            _write_results(report, load, alone, mixed)
        memory_kib = {
            name: await _idle(contender, idle, 0.1 if bench.short else 2) for name, contender in servers.items()
        }
    report.say(f"**{idle:,} idle subscriptions, a socket each**")
    report.table(("server", "KiB each"), [(name, short(kib)) for name, kib in memory_kib.items()])
    return report


async def _measure(env: BenchEnvironment, ours: Contender, load: Load, *, mixed: bool) -> Measurement:
    source, served, measurement = cast("LogSource", ours.source), ours.served, Measurement()
    before = served.process.rss_bytes()
    async with open_readers(served, source, load.behaviors(mixed=mixed), load.runs) as group:
        publisher = Publisher(source, load.runs, chars=load.chars)
        writing = asyncio.create_task(publisher.steadily(load.rate, load.seconds))
        peak = before
        while not writing.done():
            peak = max(peak, served.process.rss_bytes())
            await asyncio.wait([writing], timeout=0.25)
        await writing
    measurement.late = [
        f"{each.behavior.value} {each.seq}/{source.seqs[each.run]}" for each in await group.all_have(_CATCH_UP_S)
    ]
    _note(measurement, group)
    measurement.growth_mib = (peak - before) / _MIB
    await close_readers(group)
    measurement.remaining = await _count_remaining(env, served)
    return measurement


def _note(measurement: Measurement, group: ReaderGroup) -> None:
    lags = group.lags_ms()
    measurement.p50_ms, measurement.p99_ms = quantile(lags, 0.5), quantile(lags, 0.99)
    measurement.wrong = sum(reader.wrong for reader in group.readers)


async def _count_remaining(env: BenchEnvironment, served: Served) -> int:
    """Return how many sockets and topics of runs the server still holds, after at most 5 s."""
    deadline = time.monotonic() + _GONE_S
    while True:
        channels = cast("list[bytes]", await env.runtime.redis.commands.execute("PUBSUB", "CHANNELS", "nx:{*/run/*"))
        connections = psutil.Process(served.process.pid).net_connections("tcp")
        count = len(channels) + sum(each.laddr.port == served.port and bool(each.raddr) for each in connections)
        if count == 0 or time.monotonic() > deadline:
            return count
        await asyncio.sleep(0.05)


async def _idle(contender: Contender, count: int, rest_s: float) -> float:
    """Return the KiB that a subscription holds which gets nothing."""
    served = contender.served
    await asyncio.sleep(rest_s)
    before = served.process.rss_bytes()
    async with AsyncExitStack() as stack:
        for number in range(count):
            socket = await Socket.open(served.port, lambda _message: None, served.token)
            stack.callback(socket.drop)
            socket.subscribe(DOCUMENT, **contender.source.variables(number % 100))
        await asyncio.sleep(rest_s)
        return (served.process.rss_bytes() - before) / count / _KIB


def _write_results(report: Report, load: Load, alone: Sequence[Measurement], mixed: Sequence[Measurement]) -> None:
    report.say(f"**{load.name}**")
    head = (
        "readers",
        "lag of the steady ones p50, p99 ms",
        "memory grew by MiB",
        "out of order or missing",
        "left behind",
    )
    report.table(head, [_row("all steady", alone), _row("of ten one slow, one stalled, one leaving", mixed)])
    rise_ms = median([b.p99_ms - a.p99_ms for a, b in zip(alone, mixed, strict=True)])
    target = f"the others cost steady readers at most {MAX_RISE_MS:g} ms of p99, a third of the window that joins text"
    report.verdict(target, f"{short(rise_ms)} ms", holds=rise_ms <= MAX_RISE_MS)
    growth = max(measurement.growth_mib for measurement in mixed)
    report.verdict(f"memory grows by at most {MAX_GROWTH_MIB:g} MiB", short(growth), holds=growth <= MAX_GROWTH_MIB)
    wrong = [
        *(late for measurement in mixed for late in measurement.late),
        *(f"{measurement.wrong} wrong" for measurement in mixed if measurement.wrong),
    ]
    target = "everybody has every event once and in order, those that stood still too when they read again"
    report.verdict(target, ", ".join(wrong[:5]) or "yes", holds=not wrong)
    left = max(measurement.remaining for measurement in (*alone, *mixed))
    report.verdict("nothing is left afterwards", f"{left} sockets and topics", holds=left == 0)


def _row(name: str, measurement: Sequence[Measurement]) -> tuple[str, ...]:
    lags = short(median([each.p50_ms for each in measurement])), short(median([each.p99_ms for each in measurement]))
    growth = short(max(each.growth_mib for each in measurement))
    return (
        name,
        ", ".join(lags),
        growth,
        str(sum(each.wrong + len(each.late) for each in measurement)),
        str(max(each.remaining for each in measurement)),
    )
