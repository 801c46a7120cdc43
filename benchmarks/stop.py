"""From `stopRun` to the closed connection of the provider, and to the end that a subscriber sees."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

import httpx2

from benchmarks.agents import Scenario, ScriptedAgent, open_stage, run_id
from benchmarks.bench import Bench
from benchmarks.environment import serving, working
from benchmarks.report import Report, quantile, short
from nexent_gql.domains.runs.starter import OnBusy, StartedRun
from tests.support.fake_provider import Record, Stall, Step, Text, Tool
from tests.support.graphql_client import Client

MAX_CLOSED_MS = 50
_STOP = """
mutation ($input: StopRunInput!) { stopRun(input: $input) { __typename ... on StopRunPayload { run { status } } } }
"""
_WAIT_S = 60.0
_MID_TOKEN, _SILENT, _IN_TOOL, _QUEUED = "in mid-token", "silent provider", "inside a tool", "in the queue"


@dataclass(frozen=True, slots=True)
class Situation:
    """What goes on when the stop comes: what the model plays, and the event that says it is so."""

    name: str
    script: Sequence[Step]
    until: str | None


SITUATIONS = (
    Situation(_MID_TOKEN, [Text(tokens=1_000, tokens_per_s=50)], "TextDelta"),
    Situation(_SILENT, [Stall()], None),
    Situation(_IN_TOOL, [Tool("wait", {"seconds": 200})], "ToolCallStarted"),
    Situation(_QUEUED, [Text(tokens=1_000, tokens_per_s=50)], "TextDelta"),
)


@dataclass(slots=True)
class Times:
    """Milliseconds from the mutation, one for each stop: until nothing goes on, and until a subscriber knows."""

    stopped: list[float] = field(default_factory=list[float])
    ended: list[float] = field(default_factory=list[float])


async def run(bench: Bench) -> Report:
    """Stop runs in every situation, turn by turn."""
    report = Report(
        "stop", "From sending `stopRun` until the provider sees its connection close, and until RunFinished."
    )
    rounds = 1 if bench.short else 30
    times_by_name = {situation.name: Times() for situation in SITUATIONS}
    floor: list[float] = []
    async with (
        open_stage(bench.env) as scenario,
        serving(bench.env) as served,
        working(bench.env),
        Client(served.url, served.token) as client,
    ):
        agents = [await scenario.agent(each.script, tools=("wait",)) for each in SITUATIONS]
        for _ in range(rounds):
            for situation, agent in zip(SITUATIONS, agents, strict=True):
                await _stop(situation, agent, scenario, client, times_by_name[situation.name])
            floor.append(await _bare_close(scenario, agents[0]))
    _write_results(report, times_by_name, floor)
    return report


async def _stop(situation: Situation, agent: ScriptedAgent, scenario: Scenario, client: Client, times: Times) -> None:
    first = await agent.ask()
    record = await _begun(situation, agent, scenario, client, first)
    exchange = await _behind(agent, first) if situation.name == _QUEUED else first
    waiting = asyncio.create_task(_ended_at(client, exchange))
    await asyncio.sleep(0.05)  # its subscription is not what is measured
    began_at = time.time()
    answer = await client.one(_STOP, input={"runId": run_id(exchange)})
    if answer["run"]["status"] == "STOPPED":
        times.stopped.append((time.time() - began_at) * 1e3)
    async with asyncio.timeout(_WAIT_S):
        times.ended.append((await waiting - began_at) * 1e3)
        if situation.name in {_MID_TOKEN, _SILENT}:
            times.stopped.append((await _closed_at(record) - began_at) * 1e3)
    if exchange is not first:
        await client.one(_STOP, input={"runId": run_id(first)})
        await client.whole(run_id(first))


async def _begun(
    situation: Situation, agent: ScriptedAgent, scenario: Scenario, client: Client, exchange: StartedRun
) -> Record:
    """Wait until the run is where it should be; return the provider's record of its request."""
    count = len(scenario.provider.requests)
    if situation.until is None:
        return await scenario.provider.wait_for(count + 1)
    async with aclosing(client.events(run_id(exchange))) as stream, asyncio.timeout(_WAIT_S):
        async for event in stream:
            if event["__typename"] == situation.until:
                break
    return [record for record in scenario.provider.requests if record.script == agent.model][-1]


async def _behind(agent: ScriptedAgent, first: StartedRun) -> StartedRun:
    """Ask again in the same conversation, which is busy."""
    ask, question = agent.env.services.runs.start, agent.question
    queued = replace(question, agent_id=None, conversation_id=first.conversation.id, on_busy=OnBusy.QUEUE)
    return await ask.send(agent.env.actor, queued)


async def _ended_at(client: Client, exchange: StartedRun) -> float:
    events = await client.whole(run_id(exchange))
    if events[-1]["status"] != "STOPPED":
        raise RuntimeError(f"the run ended as {events[-1]}")
    return time.time()


async def _closed_at(record: Record) -> float:
    while record.client_closed_at is None:  # noqa: ASYNC110 - the provider notes it, and tells nobody
        await asyncio.sleep(0.001)
    return record.client_closed_at


async def _bare_close(scenario: Scenario, agent: ScriptedAgent) -> float:
    """Return the milliseconds that closing a stream takes by itself."""
    body = {"model": agent.model, "stream": True, "messages": [{"role": "user", "content": "Go."}]}
    async with httpx2.AsyncClient(trust_env=False) as client:
        async with client.stream("POST", f"{scenario.provider.base_url}/chat/completions", json=body) as response:
            await anext(response.aiter_bytes())
            record, began_at = scenario.provider.requests[-1], time.time()
        return (await _closed_at(record) - began_at) * 1e3


def _write_results(report: Report, times_by_name: dict[str, Times], floor: list[float]) -> None:
    head = ("situation", "stopped p50, p95 ms", "RunFinished at the subscriber p50, p95 ms")
    rows = [(name, _pair(times.stopped), _pair(times.ended)) for name, times in times_by_name.items()]
    report.table(head, [*rows, ("floor: a bare client closes its stream", _pair(floor), "")])
    report.say(
        "From before the HTTP request of the mutation: its authentication, transaction and the relay are part of it.",
        "Stopped is when the provider sees its connection close; in the queue, where there is none, when the mutation",
        "answers STOPPED; inside a tool, which has none either, only RunFinished can be seen from outside.",
    )
    for name, times in times_by_name.items():
        found_ms = quantile(times.stopped or times.ended, 0.95)
        target = f"{name}: within {MAX_CLOSED_MS} ms (p95)"
        report.verdict(target, f"{short(found_ms)} ms", holds=found_ms < MAX_CLOSED_MS)


def _pair(values: Sequence[float]) -> str:
    return f"{short(quantile(values, 0.5))}, {short(quantile(values, 0.95))}" if values else "see RunFinished"
