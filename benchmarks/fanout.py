"""Tokens of runs to subscribers: what the server pays for each delivered token, and how late it comes."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from benchmarks import node
from benchmarks.bench import Bench
from benchmarks.environment import Served, serving
from benchmarks.machine import running
from benchmarks.report import Report, median, short
from benchmarks.sources import LogSource, PushSource, Source, hasty_commands, peer_event, ready_frame
from benchmarks.streams import Load, Trial, measure
from nexent_gql.adapters.events_redis import RedisEventLog
from nexent_gql.api.schema.relay import global_id
from tests.support.installation import free_port

LOADS = (
    Load("1 run x 1,000/s to 1", runs=1, each=1, rate=1_000),
    Load("1 run x 100/s to 100", runs=1, each=100, rate=100),
    Load("1 run x 15/s to 1,000", runs=1, each=1_000, rate=15),
    Load("100 runs x 50/s to one each", runs=100, each=1, rate=50),
    Load("500 runs x 20/s to one each", runs=500, each=1, rate=20),
)
LAG_LOAD = LOADS[3]
SHORT = (Load("1 run x 50/s to 5", runs=1, each=5, rate=50), Load("5 runs x 20/s to one each", runs=5, each=1, rate=20))
_TTL_S = 3_600
OURS, FLOOR = "nexent-gql", "floor"
MAX_CPU_RATIO, MAX_LAG_RATIO, MAX_BEHIND_S = 1.5, 3.0, 0.1


@dataclass(frozen=True, slots=True)
class Contender:
    """A server with what feeds it."""

    served: Served
    source: Source


async def run(bench: Bench) -> Report:
    """Measure all loads, turn by turn: in each round every server once."""
    report = Report("fanout", "Tokens of runs to subscribers over graphql-transport-ws: server CPU and lag.")
    loads, rounds, seconds = (SHORT, 1, 0.3) if bench.short else (LOADS, 5, 2.5)
    async with contenders(bench) as servers:
        for load in loads:
            trials: dict[str, list[Trial]] = {name: [] for name in servers}
            for _ in range(rounds):
                for name, one in servers.items():
                    trial = await measure(one.served, one.source, load, warm_s=seconds / 4, seconds=seconds)
                    trials[name].append(trial)
            _write_results(report, load, trials)
    report.say(
        "Every server is offered the same tokens at the same times. Ratios are medians of the rounds' own. "
        f"{bench.peers_absent or node.versions()}."
    )
    return report


@asynccontextmanager
async def contenders(bench: Bench) -> AsyncGenerator[Mapping[str, Contender]]:
    """Start all servers on the measured core; those that wait cost nothing."""
    env = bench.env
    redis = env.environment["NEXENT_REDIS_URL"]
    async with AsyncExitStack() as stack:
        commands = await stack.enter_async_context(hasty_commands(redis))
        link = replace(env.runtime.redis, commands=commands)
        starts = [serving(env), _floor(redis), *(node.node_peer(env, name) for name in bench.peers)]
        ours, floor, *peers = await asyncio.gather(*map(stack.enter_async_context, starts))
        runs = await env.make_runs(max(load.runs for load in LOADS))
        log = LogSource(env, runs, RedisEventLog(link, ttl_s=_TTL_S), [global_id("Run", run) for run in runs])
        contenders_by_name = {
            OURS: Contender(ours, log),
            FLOOR: Contender(floor, PushSource(log, commands, "floor", ready_frame)),
        }
        for name, peer in zip(bench.peers, peers, strict=True):
            contenders_by_name[name] = Contender(peer, PushSource(log, commands, name, peer_event))
        yield contenders_by_name


@asynccontextmanager
async def _floor(redis_url: str) -> AsyncGenerator[Served]:
    port = free_port()
    async with running([sys.executable, "-m", "benchmarks.peers.floor", str(port), redis_url], {}, port) as process:
        yield Served(port, process)


def _write_results(report: Report, load: Load, trials: Mapping[str, Sequence[Trial]]) -> None:
    head = (
        "server",
        "CPU / floor",
        "CPU µs a token",
        "tokens/s",
        "lag p50, p95, p99 ms",
        "behind s",
        "missing",
        "busy",
    )
    report.say(f"**{load.name}**")
    report.table(head, [_row(name, each, trials[FLOOR]) for name, each in trials.items()])
    ratio = _ratio(trials[OURS], trials[FLOOR])
    report.verdict(f"CPU at most {MAX_CPU_RATIO} times the floor", short(ratio), holds=ratio <= MAX_CPU_RATIO)
    for name in trials.keys() - {OURS, FLOOR}:
        beside = _ratio(trials[OURS], trials[name])
        report.verdict(f"CPU below {name}", f"{short(beside)} of its", holds=beside < 1)
    lost = sum(trial.lost for trial in trials[OURS])
    report.verdict("every token has come 3 s after the last was written", f"{lost} missing", holds=lost == 0)
    if load is LAG_LOAD:
        lag = median([a.p99_ms / b.p99_ms for a, b in zip(trials[OURS], trials[FLOOR], strict=True)])
        report.verdict(f"p99 lag within {MAX_LAG_RATIO:g} times the floor's", short(lag), holds=lag <= MAX_LAG_RATIO)
    behind = median([trial.behind_s for trial in trials[OURS]])
    report.verdict("no backlog at the end", f"{short(behind)} s", holds=behind < MAX_BEHIND_S)


def _ratio(ours: Sequence[Trial], beside: Sequence[Trial]) -> float:
    return median([a.cpu_us / b.cpu_us for a, b in zip(ours, beside, strict=True) if b.cpu_us > 0])


def _row(name: str, trials: Sequence[Trial], floor: Sequence[Trial]) -> Sequence[str]:
    def of(get: str) -> str:
        return short(median([getattr(trial, get) for trial in trials]))

    return (
        name,
        f"**{short(_ratio(trials, floor))}**",
        of("cpu_us"),
        of("delivered_s"),
        f"{of('p50_ms')}, {of('p95_ms')}, {of('p99_ms')}",
        of("behind_s"),
        of("lost"),
        f"{median([trial.busy for trial in trials]):.0%}",
    )
