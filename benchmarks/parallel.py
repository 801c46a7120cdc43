"""Many answers at once through one worker: from the provider's socket to the subscriber's."""

import asyncio
import re
import time
from dataclasses import dataclass, field

from benchmarks.agents import ScriptedAgent, open_stage, run_id
from benchmarks.bare_client import Read, bare_client
from benchmarks.bench import Bench
from benchmarks.environment import Served, serving, working
from benchmarks.machine import Measured, unpinned
from benchmarks.report import Report, median, quantile, short
from benchmarks.stamps import lags_of
from benchmarks.streams import DOCUMENT
from benchmarks.wire import Socket
from tests.support.fake_provider import Text

RUNS, TOKENS, RATE = 50, 300, 50.0
MAX_LAG_MS, MAX_WALL = 150, 1.3
_STATUS = re.compile(rb'"status":"(\w+)"')
_FINISH_S = 60.0
_REST_S = 1.0


@dataclass(slots=True)
class Watched:
    """What the subscribers of one round saw."""

    lags_ms: list[float] = field(default_factory=list[float])
    tokens: int = 0
    finished: list[str] = field(default_factory=list[str])
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    wall_s: float = 0.0

    def take(self, message: bytes) -> None:
        """Read one frame."""
        if b'"TextDelta"' in message:
            lags = lags_of(message.decode())
            self.lags_ms += lags
            self.tokens += len(lags)
        elif (status := _STATUS.search(message)) is not None:
            self.finished.append(status[1].decode())
            self.changed.set()


async def run(bench: Bench) -> Report:
    """Let runs go on at once, turn by turn with a bare client that reads as many streams."""
    runs, tokens, rounds = (3, 10, 1) if bench.short else (RUNS, TOKENS, 3)
    report = Report("parallel", f"{runs} runs of {tokens} tokens at {RATE:g}/s each, at once, in one worker process.")
    measured_rounds: list[tuple[Watched, Read, float]] = []
    async with (
        open_stage(bench.env) as scenario,
        serving(bench.env) as served,
        working(bench.env) as worker,
        bare_client() as client,
    ):
        agent = await scenario.agent([Text(tokens=tokens, tokens_per_s=RATE, stamp=True)])
        with unpinned():
            await _busy(agent, served, runs, worker)  # until pools have their connections
            for _ in range(rounds):
                watched, busy = await _busy(agent, served, runs, worker)
                read = await client.read(scenario.provider.base_url, agent.model, runs)
                measured_rounds.append((watched, read, busy))
    for watched, _, _ in measured_rounds:
        _check(watched, runs, tokens)
    _write_results(report, measured_rounds, tokens / RATE)
    return report


async def _busy(agent: ScriptedAgent, served: Served, runs: int, worker: Measured) -> tuple[Watched, float]:
    began_at, cpu_s = time.monotonic(), worker.cpu_s()
    watched = await _round(agent, served, runs)
    busy = (worker.cpu_s() - cpu_s) / (time.monotonic() - began_at)
    await asyncio.sleep(_REST_S)  # titles of the new conversations
    return watched, busy


async def _round(agent: ScriptedAgent, served: Served, runs: int) -> Watched:
    """Ask all, each with a subscriber; return when all have ended."""
    watched = Watched()
    sockets = [await Socket.open(served.port, watched.take, served.token) for _ in range(runs)]
    began_at = time.monotonic()
    await asyncio.gather(*(_ask(agent, socket) for socket in sockets))
    async with asyncio.timeout(_FINISH_S):
        while len(watched.finished) < runs:
            watched.changed.clear()
            await watched.changed.wait()
    watched.wall_s = time.monotonic() - began_at
    for socket in sockets:
        socket.drop()
    return watched


async def _ask(agent: ScriptedAgent, socket: Socket) -> None:
    exchange = await agent.ask()
    socket.subscribe(DOCUMENT, run=run_id(exchange), after=None)


def _check(watched: Watched, runs: int, tokens: int) -> None:
    if watched.finished != ["SUCCEEDED"] * runs or watched.tokens != runs * tokens:
        raise RuntimeError(f"{watched.tokens} of {runs * tokens} tokens, runs ended {set(watched.finished)}")


def _write_results(report: Report, measured_rounds: list[tuple[Watched, Read, float]], ideal_s: float) -> None:
    ours = [watched for watched, _, _ in measured_rounds]
    bare = [read for _, read, _ in measured_rounds]
    p50, p95, p99 = (median([quantile(each.lags_ms, share) for each in ours]) for share in (0.5, 0.95, 0.99))
    wall = median([each.wall_s for each in ours]) / ideal_s
    busy = median([share for *_, share in measured_rounds])
    head = ("", "wall / ideal", "lag p50 ms", "p95", "p99", "worker busy")
    bare_wall = median([read.wall_s for read in bare]) / ideal_s
    bare_lags = median([read.lag_p50_ms for read in bare]), median([read.lag_p95_ms for read in bare])
    report.table(
        head,
        [
            ("nexent-gql: provider, worker, Redis, API, socket", *map(short, (wall, p50, p95, p99)), f"{busy:.0%}"),
            ("floor: a bare client on the provider", *map(short, (bare_wall, *bare_lags)), "", ""),
        ],
    )
    report.say(
        "Text is joined for 30 ms in the worker, which is part of the lag.",
        "Wall: from the first question to the last end. All share all cores: engines, provider, worker, server, those "
        "who ask and those who read.",
    )
    report.verdict(f"lag p95 below {MAX_LAG_MS} ms", f"{short(p95)} ms", holds=p95 < MAX_LAG_MS)
    report.verdict(
        f"wall below {MAX_WALL} times the ideal {ideal_s:g} s", f"{short(wall)} times", holds=wall < MAX_WALL
    )
