"""What one tenant notices of another that uses all there is: its runs then, and while the other does nothing."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from sqlalchemy import text

from benchmarks.agents import Scenario, ScriptedAgent, open_stage
from benchmarks.bench import Bench
from benchmarks.environment import BenchEnvironment, open_environment, working
from benchmarks.machine import unpinned
from benchmarks.report import Report, median, short
from nexent_gql.domains.runs.starter import StartedRun
from nexent_gql.kernel.json import dumps
from nexent_gql.ports.engine import AgentKind
from tests.support.fake_provider import Text

_SLOTS = 10
_HIGHEST_RATIO = 3.0
_WAIT_S = 120.0
_TURNS = 1_000
_RUNNING = text("SELECT count(*) FROM run WHERE status = 'RUNNING'")


@dataclass(frozen=True, slots=True)
class _Crowd:
    """Runs of the busy tenant: the code of each, how many there are, and how many of them run at the same time."""

    name: str
    code: str
    run_count: int
    running_count: int


_CROWDS = (
    _Crowd(f"{3 * _SLOTS} runs that wait for minutes, {_SLOTS} slots", "for i in range(99):\n    wait(60)", 30, _SLOTS),
    _Crowd("8 runs that compute without end", "while True:\n    pass", 8, 8),
)
_ANSWERS = {
    AgentKind.TOOL_CALLING: "391",
    AgentKind.CODE: "I answer.\n<code>\nfinal_answer(17 * 23)\n</code>",
}


@dataclass(frozen=True, slots=True)
class _Ratio:
    """What was measured of one kind of agent beside one crowd, round by round."""

    crowd: str
    kind: AgentKind
    idle_s: Sequence[float]
    busy_s: Sequence[float]

    @property
    def value(self) -> float:
        """The median of the rounds' ratios."""
        return median([busy / idle for idle, busy in zip(self.idle_s, self.busy_s, strict=True)])


async def run(bench: Bench) -> Report:
    """Ask as one tenant, in turns while another does nothing and while it has taken every slot or core."""
    report = Report("fairness", "A run of one tenant while another tenant uses all slots, or all cores.")
    rounds, samples = (1, 1) if bench.short else (3, 9)
    ratios: list[_Ratio] = []
    async with _two_tenants() as (quiet, busy):
        for crowd in _CROWDS[: 1 if bench.short else None]:
            code = [Text(f"I work.\n<code>\n{crowd.code}\n</code>")]
            crowd_agent = await busy.agent(*[code] * _TURNS, tools=("wait",), code=True)
            for kind, answer in _ANSWERS.items():
                agent = await quiet.agent([Text(answer)], code=kind is AgentKind.CODE)
                await agent.answer()  # processes start, connections are opened
                ratios.append(await _measure(busy, crowd, crowd_agent, agent, kind, rounds, samples))
    _write_results(report, ratios)
    return report


@asynccontextmanager
async def _two_tenants() -> AsyncGenerator[tuple[Scenario, Scenario]]:
    """Start a worker with few slots, which uses all cores; others' workers would take its runs."""
    async with open_environment() as env, open_stage(env) as quiet:
        slots = {"NEXENT_JOBS__CONCURRENCY": dumps({"runs": _SLOTS}).decode()}
        async with working(replace(env, environment={**env.environment, **slots})):
            with unpinned():
                actor = await env.services.identity.ensure_demo("busy@example.com")
                yield quiet, Scenario(replace(env, actor=actor), quiet.provider)


async def _measure(
    busy: Scenario,
    crowd: _Crowd,
    crowd_agent: ScriptedAgent,
    agent: ScriptedAgent,
    kind: AgentKind,
    rounds: int,
    samples: int,
) -> _Ratio:
    idle_s: list[float] = []
    busy_s: list[float] = []
    for _ in range(rounds):
        idle_s.append(median([await _time(agent) for _ in range(samples)]))
        runs = await _fill(busy, crowd, crowd_agent)
        busy_s.append(median([await _time(agent) for _ in range(samples)]))
        await _empty(busy.env, runs)
    return _Ratio(crowd.name, kind, idle_s, busy_s)


async def _time(agent: ScriptedAgent) -> float:
    """Return the seconds until an answer has ended."""
    began_s = time.perf_counter()
    await agent.answer()
    return time.perf_counter() - began_s


async def _fill(busy: Scenario, crowd: _Crowd, agent: ScriptedAgent) -> Sequence[StartedRun]:
    """Start the runs of the busy tenant, and wait until so many run and their code was written."""
    requests_before = _requests(busy, agent)
    runs = [await agent.ask() for _ in range(crowd.run_count)]
    requests = requests_before + crowd.running_count
    async with asyncio.timeout(_WAIT_S):
        while await _running(busy.env) < crowd.running_count or _requests(busy, agent) < requests:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await asyncio.sleep(1)  # the code of the last one has begun
    return runs


async def _empty(env: BenchEnvironment, runs: Sequence[StartedRun]) -> None:
    """Stop the runs of the busy tenant, the waiting ones first."""
    for each in reversed(runs):
        await env.services.runs.stop(env.actor, each.run.id)
    async with asyncio.timeout(_WAIT_S):
        while await _running(env):  # noqa: ASYNC110 - Postgres tells nobody
            await asyncio.sleep(0.05)


async def _running(env: BenchEnvironment) -> int:
    async with env.runtime.db.read(env.actor.tenant_id) as session:
        return int((await session.execute(_RUNNING)).scalar_one())


def _requests(scenario: Scenario, agent: ScriptedAgent) -> int:
    return sum(request.script == agent.model for request in scenario.provider.requests)


def _write_results(report: Report, ratios: Sequence[_Ratio]) -> None:
    head = ("the other tenant has", "agent", "rounds", "idle ms", "busy ms", "busy / idle")
    report.table(
        head,
        [
            (
                each.crowd,
                each.kind.value,
                len(each.idle_s),
                short(median(each.idle_s) * 1_000),
                short(median(each.busy_s) * 1_000),
                f"**{short(each.value)}**",
            )
            for each in ratios
        ],
    )
    report.say(
        f"One worker with {_SLOTS} slots for runs, on all cores. Each round takes the median of runs while the other",
        "tenant does nothing, then of the same runs beside it; a ratio is the median of the rounds' ratios.",
    )
    highest = max(each.value for each in ratios)
    target = f"a run takes at most {_HIGHEST_RATIO:g} times its idle time"
    report.verdict(target, short(highest), holds=highest <= _HIGHEST_RATIO)
