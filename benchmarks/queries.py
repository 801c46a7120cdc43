"""Queries over HTTP: ours with all limits on, beside plain Strawberry, graphql-yoga and mercurius."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from benchmarks import node
from benchmarks.bench import Bench
from benchmarks.environment import Served
from benchmarks.machine import running
from benchmarks.report import Report, median, short
from benchmarks.requests import Answered, offer, post
from tests.support.installation import free_port

OURS, PLAIN = "nexent-gql", "plain Strawberry"
_ALIASES = " ".join(f'a{n}: hello(name: "{n}")' for n in range(40))


@dataclass(frozen=True, slots=True)
class Document:
    """A query, and how many times plain Strawberry's rate ours has to reach."""

    name: str
    text: str
    target: float


DOCUMENTS = (
    Document("hello", "{ hello }", 1),
    Document("40 aliases", f"{{ {_ALIASES} }}", 1),
    Document(
        "100 objects x 5 fields, and a batched relation",
        "{ items { id name description size createdAt owner { id name } } }",
        5,
    ),
)
_RAISED = {"NEXENT_API__LIMITS__ALIASES": "50", "NEXENT_API__LIMITS__ROOT_FIELDS": "50"}


async def run(bench: Bench) -> Report:
    """Offer each document to each server, turn by turn."""
    report = Report("queries", "Queries over HTTP, 16 keep-alive connections, same rows and schema, in memory.")
    rounds, seconds = (1, 0.15) if bench.short else (5, 2.0)
    async with contenders(bench) as servers:
        for document in DOCUMENTS:
            answers_by_server: dict[str, list[Answered]] = {name: [] for name in servers}
            for _ in range(rounds):
                for name, served in servers.items():
                    request = post(served, document.text)
                    await offer(served, request, seconds / 5)
                    answers_by_server[name].append(await offer(served, request, seconds))
            _compare(answers_by_server)
            _write_results(report, document, answers_by_server)
    report.say(
        "Ours checks a bearer token, measures depth, aliases and cost, masks errors and sets deadlines and headers;",
        "the limits of aliases and of root fields are raised to 50 for the second document. Ratios: medians of the",
        f"rounds' own. {bench.peers_absent or node.versions()}; mercurius with jit.",
    )
    return report


@asynccontextmanager
async def contenders(bench: Bench) -> AsyncGenerator[Mapping[str, Served]]:
    """Start all servers on the measured core."""
    async with AsyncExitStack() as stack:
        starts = {
            OURS: _python("ours", {**bench.env.environment, **_RAISED}),
            PLAIN: _python("plain", {}),
            **{name: node.node_peer(bench.env, name) for name in bench.peers},
        }
        served = await asyncio.gather(*map(stack.enter_async_context, starts.values()))
        contenders_by_name = dict(zip(starts, served, strict=True))
        yield contenders_by_name | {OURS: replace(contenders_by_name[OURS], token=bench.env.token)}


@asynccontextmanager
async def _python(name: str, environment: Mapping[str, str]) -> AsyncGenerator[Served]:
    port = free_port()
    async with running([sys.executable, "-m", f"benchmarks.peers.{name}", str(port)], environment, port) as process:
        yield Served(port, process)


def _compare(answers_by_server: Mapping[str, Sequence[Answered]]) -> None:
    """See that all servers say the same."""
    first, *others = (answers[0].data for answers in answers_by_server.values())
    if any(other != first for other in others):
        raise ValueError("the servers answer differently")


def _write_results(report: Report, document: Document, answers_by_server: Mapping[str, Sequence[Answered]]) -> None:
    report.say(f"**{document.name}**")
    head = ("server", "rate / plain Strawberry's", "req/s per core", "req/s", "p50, p99 ms")
    report.table(head, [_row(name, answers, answers_by_server[PLAIN]) for name, answers in answers_by_server.items()])
    ratio = _ratio(answers_by_server[OURS], answers_by_server[PLAIN])
    target = f"at least {document.target:g} times plain Strawberry's rate"
    report.verdict(target, f"{short(ratio)} times", holds=ratio >= document.target)


def _ratio(ours: Sequence[Answered], beside: Sequence[Answered]) -> float:
    return median([a.per_core_s / b.per_core_s for a, b in zip(ours, beside, strict=True)])


def _row(name: str, answers: Sequence[Answered], plain: Sequence[Answered]) -> tuple[str, ...]:
    latencies = [median([answer.p50_ms for answer in answers]), median([answer.p99_ms for answer in answers])]
    return (
        name,
        f"**{short(_ratio(answers, plain))}**",
        short(median([answer.per_core_s for answer in answers])),
        short(median([answer.per_s for answer in answers])),
        ", ".join(map(short, latencies)),
    )
