"""What a worker pays for each token of an answer, beside a bare client that reads the same stream."""

import asyncio
import time
from dataclasses import dataclass, field

from benchmarks.agents import ScriptedAgent, open_stage
from benchmarks.bare_client import bare_client
from benchmarks.bench import Bench
from benchmarks.environment import working
from benchmarks.machine import Measured
from benchmarks.report import Report, median, short
from tests.support.fake_provider import Text

LENGTHS = (300, 1_200, 4_800)
MAX_RATIO, MAX_GROWTH = 2.5, 1.15
_RATE = 500.0
_REST_S = 0.6


@dataclass(slots=True)
class Answers:
    """Microseconds of CPU for each token, of answers of one length and pace, in rounds."""

    tokens: int
    rate: float
    worker: list[float] = field(default_factory=list[float])
    client: list[float] = field(default_factory=list[float])

    @property
    def ratio(self) -> float:
        """Median of the rounds' ratios."""
        return median([ours / theirs for ours, theirs in zip(self.worker, self.client, strict=True)])


async def run(bench: Bench) -> Report:
    """Let a worker and a bare client read the same scripted answers, turn by turn."""
    report = Report("tokens", "CPU of a worker process for each token of an answer: provider to Redis, all included.")
    kinds = [Answers(tokens, _RATE) for tokens in LENGTHS] + [Answers(1_200, 100)]
    kinds, rounds = ([Answers(20, _RATE)], 1) if bench.short else (kinds, 3)
    async with open_stage(bench.env) as scenario, working(bench.env) as worker, bare_client() as client:
        agents = [await scenario.agent([Text(tokens=kind.tokens, tokens_per_s=kind.rate)]) for kind in kinds]
        await agents[0].answer()
        idle = await _idle(worker, 0.1 if bench.short else 4)
        for _ in range(rounds):
            for kind, agent in zip(kinds, agents, strict=True):
                await _measure(kind, agent, worker, idle)
                read = await client.read(scenario.provider.base_url, agent.model)
                kind.client.append(read.cpu_s / kind.tokens * 1e6)
    _write_results(report, kinds, idle)
    return report


async def _measure(kind: Answers, agent: ScriptedAgent, worker: Measured, idle: float) -> None:
    await asyncio.sleep(_REST_S)  # the title of the last conversation is a job of its own
    began_at, cpu_s = time.monotonic(), worker.cpu_s()
    answer = await agent.answer()
    cpu_s = worker.cpu_s() - cpu_s - idle * (time.monotonic() - began_at)
    if len(answer.split()) != kind.tokens:
        raise RuntimeError(f"{len(answer.split())} tokens instead of {kind.tokens}")
    kind.worker.append(cpu_s / kind.tokens * 1e6)


async def _idle(worker: Measured, seconds: float) -> float:
    """Return the share of a core that a worker takes that has nothing to do."""
    await asyncio.sleep(_REST_S)
    cpu_s = worker.cpu_s()
    await asyncio.sleep(seconds)
    return (worker.cpu_s() - cpu_s) / seconds


def _write_results(report: Report, kinds: list[Answers], idle: float) -> None:
    head = ("tokens", "pace /s", "worker / bare client", "worker µs a token", "bare client µs a token")
    report.table(head, [_row(kind) for kind in kinds])
    report.say(
        f"What an idle worker takes, {idle:.1%} of a core, is left out; claiming the job, building",
        "the agent, storing steps, answer and archive are in it: the share of a short answer that is not its tokens.",
        "The bare client is httpx2 reading lines and JSON.",
    )
    by_length = {kind.tokens: kind for kind in kinds if kind.rate == _RATE}
    longest, middle = by_length[max(by_length)], by_length[sorted(by_length)[len(by_length) // 2]]
    target = f"{longest.tokens:,} tokens: at most {MAX_RATIO} times the bare client"
    report.verdict(target, short(longest.ratio), holds=longest.ratio <= MAX_RATIO)
    growth = median(longest.worker) / median(middle.worker)
    target = f"flat: a token of {longest.tokens:,} costs no more than one of {middle.tokens:,}"
    report.verdict(target, f"{short(growth)} times", holds=growth <= MAX_GROWTH)


def _row(kind: Answers) -> tuple[str, ...]:
    costs = short(median(kind.worker)), short(median(kind.client))
    return (f"{kind.tokens:,}", short(kind.rate), f"**{short(kind.ratio)}**", *costs)
