"""From a worker's death until its run goes on elsewhere, and from a wiped Redis until all queued work runs."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import text

from benchmarks.agents import Scenario, ScriptedAgent, open_stage
from benchmarks.bench import Bench
from benchmarks.environment import BenchEnvironment, open_environment
from benchmarks.machine import Measured, cores, running
from benchmarks.report import Report, quantile, short
from nexent_gql.jobs.relay import Relay
from tests.support.engines import fetch_column, redis_command
from tests.support.fake_provider import Text

QUEUED = 20
_DEFAULT, _SHORT = "default settings", "lease of 1.5 s"
_LEASES: Mapping[str, Mapping[str, str]] = {_DEFAULT: {}, _SHORT: {"NEXENT_JOBS__LEASE_S": "1.5"}}
_LONGEST_S = {_DEFAULT: 10.0, _SHORT: 3.0}
_LONGEST_WIPED_S = 10.0
_WAIT_S = 60.0
_BEATS_S = 0.15
_SPEAKING = Text(tokens=600, tokens_per_s=20)
_OWNER = text("SELECT split_part(lease_owner, ':', 2) FROM job WHERE id = :id AND state = 'RUNNING'")
_LISTENING = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query ILIKE 'LISTEN%'"


@dataclass(slots=True)
class Crew:
    """Two workers, by process id; one that was killed is replaced."""

    env: BenchEnvironment
    environment: Mapping[str, str]
    stack: AsyncExitStack
    workers: dict[int, Measured]

    async def hire(self) -> None:
        """Start workers until there are two, and wait until both hear of work."""
        while len(self.workers) < 2:  # noqa: PLR2004 - one works, one takes over
            command = [sys.executable, "-m", "workers"]
            worker = await self.stack.enter_async_context(running(command, self.environment, core=cores()[0]))
            self.workers[worker.pid] = worker
        async with asyncio.timeout(_WAIT_S):
            while await self._listening() < len(self.workers):  # noqa: ASYNC110 - Postgres tells nobody
                await asyncio.sleep(0.05)

    def kill(self, pid: int) -> float:
        """SIGKILL one of them, and return when, in Unix time."""
        os.kill(pid, signal.SIGKILL)
        del self.workers[pid]
        return time.time()

    def signal(self, number: int) -> None:
        """Send a signal to all."""
        for pid in self.workers:
            os.kill(pid, number)

    async def _listening(self) -> int:
        return len(await fetch_column(self.environment["NEXENT_DATABASE_URL"], _LISTENING))


async def run(bench: Bench) -> Report:
    """Kill the worker of a run, round by round and with each lease; then wipe Redis under runs that wait."""
    report = Report("takeover", "From SIGKILL of a worker until the provider is asked by the attempt that goes on.")
    rounds = 1 if bench.short else 20
    killed: dict[str, list[float]] = {}
    wiped: list[float] = []
    async with open_environment() as env, open_stage(env) as scenario:  # its own: others' workers would take the runs
        for name in (_SHORT,) if bench.short else _LEASES:
            async with _open_crew(env, _LEASES[name]) as crew:
                killed[name] = [await _kill(crew, scenario, number) for number in range(rounds)]
                if name == _SHORT and not bench.short:
                    continue
                wiped = [await _wipe(crew, scenario) for _ in range(min(rounds, 10))]
    _write_results(report, killed, wiped)
    return report


@asynccontextmanager
async def _open_crew(env: BenchEnvironment, settings: Mapping[str, str]) -> AsyncGenerator[Crew]:
    async with AsyncExitStack() as stack:
        yield Crew(env, {**env.environment, **settings}, stack, {})


async def _kill(crew: Crew, scenario: Scenario, number: int) -> float:
    """Return the seconds from the kill until the provider is asked again."""
    await crew.hire()
    agent = await scenario.agent([_SPEAKING])
    exchange = await agent.ask()
    async with asyncio.timeout(_WAIT_S), aclosing(agent.events(exchange)) as events:
        async for entry in events:
            if entry.body["kind"] == "TextDelta":
                break
        await asyncio.sleep(number * _BEATS_S)  # the lease of a kill is of any age
        async with crew.env.runtime.db.system() as session:
            owner = (await session.execute(_OWNER, {"id": exchange.run.job_id})).scalar_one()
        killed_at = crew.kill(int(owner))
        again_at = (await _requests(scenario, agent, 2))[1]
        await crew.env.services.runs.stop(crew.env.actor, exchange.run.id)
        async for _ in events:
            pass
    return again_at - killed_at


async def _wipe(crew: Crew, scenario: Scenario) -> float:
    """Return the seconds from the wipe until the provider is asked for all runs that waited."""
    await crew.hire()
    agent = await scenario.agent([_SPEAKING])
    crew.signal(signal.SIGSTOP)
    exchanges = [await agent.ask() for _ in range(QUEUED)]
    runtime = crew.env.runtime
    while await Relay(runtime.db, runtime.wakeups, runtime.log).relay():
        pass
    await redis_command(crew.env.environment["NEXENT_REDIS_URL"], "FLUSHALL")
    wiped_at = time.time()
    crew.signal(signal.SIGCONT)
    last_at = (await _requests(scenario, agent, QUEUED))[QUEUED - 1]
    for each in exchanges:
        await crew.env.services.runs.stop(crew.env.actor, each.run.id)
    for each in exchanges:
        async for _ in agent.events(each):
            pass
    return last_at - wiped_at


async def _requests(scenario: Scenario, agent: ScriptedAgent, count: int) -> Sequence[float]:
    """Wait until the provider was asked so often by an agent; returns when, in Unix time."""
    async with asyncio.timeout(_WAIT_S):
        while True:
            opened_at = [each.opened_at for each in scenario.provider.requests if each.script == agent.model]
            if len(opened_at) >= count:
                return opened_at
            await asyncio.sleep(0.005)


def _write_results(report: Report, killed: Mapping[str, Sequence[float]], wiped: Sequence[float]) -> None:
    head = ("what happens", "times", "p50 s", "p95 s", "longest s")
    rows = [(f"SIGKILL, {name}", *_figures(times_s)) for name, times_s in killed.items()]
    report.table(head, [*rows, (f"Redis wiped under {QUEUED} queued runs", *_figures(wiped))])
    report.say(
        "Two workers; the one that runs is killed in mid-answer, at any age of its lease. A dead worker is noticed",
        "when its lease has run out, so the lease is the floor of the first two rows, less what it had aged.",
        "For the last one, workers are stopped until wake-ups are in Redis and wiped away.",
    )
    for name, times_s in killed.items():
        found_s = quantile(times_s, 0.95)
        limit_s = _LONGEST_S[name]
        report.verdict(
            f"killed worker, {name}: within {limit_s:g} s (p95)", f"{short(found_s)} s", holds=found_s <= limit_s
        )
    longest_s = max(wiped)
    target = f"wiped Redis: all queued work runs within {_LONGEST_WIPED_S:g} s"
    report.verdict(target, f"{short(longest_s)} s", holds=longest_s <= _LONGEST_WIPED_S)


def _figures(times_s: Sequence[float]) -> tuple[object, ...]:
    return len(times_s), short(quantile(times_s, 0.5)), short(quantile(times_s, 0.95)), short(max(times_s))
