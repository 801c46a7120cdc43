"""A page of conversations with agent and last message, in a tenant that has many of them."""

import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import cast
from uuid import UUID

from sqlalchemy import text

from benchmarks import node
from benchmarks.bench import Bench
from benchmarks.environment import BenchEnvironment, Served, serving
from benchmarks.report import Report, median, quantile, short
from benchmarks.requests import Answered, offer, post
from nexent_gql.kernel.principal import Principal
from tests.support.direct_graphql import DirectGraphQL
from tests.support.engines import run_sql
from tests.support.factory import Factory
from tests.support.statements import statements

CONVERSATIONS, MESSAGES_EACH, PAGE = 100_000, 10, 50
MAX_LAST_PAGE = 1.2
MAX_OVER_FLOOR = 4
MAX_TAIL = 3
_CHUNK = 500
_FIELDS = "id title updatedAt agent { id name } activeMessage { id role text createdAt }"
_PAGE = f"""
query ($first: Int, $after: String) {{
  conversations(first: $first, after: $after) {{
    edges {{ cursor node {{ {_FIELDS} }} }} pageInfo {{ hasNextPage endCursor }}
  }}
}}
"""
_POSTGRAPHILE_PAGE = """
query ($first: Int, $owner: UUID!) {
  conversations: allConversations(
    first: $first, condition: {ownerId: $owner}, orderBy: [CREATED_AT_DESC, ID_DESC]
  ) {
    edges {
      cursor
      node {
        id title updatedAt agent: agentByTenantIdAndAgentId { id name } activeMessage { id role text createdAt }
      }
    }
    pageInfo { hasNextPage endCursor }
  }
}
"""
_LAST = "query ($last: Int) { conversations(last: $last) { edges { cursor } } }"
_FILL_CONVERSATIONS = text("""
    INSERT INTO conversation (id, tenant_id, created_at, updated_at, owner_id, agent_id, title, title_source,
                              active_message_id, event_seq)
    SELECT md5('c' || n)::uuid, :tenant, at, at, :owner, :agent, 'Conversation ' || n, 'USER',
           md5('m' || n || '/' || CAST(:each AS int))::uuid, 0
      FROM generate_series(CAST(:begin AS int), CAST(:end AS int)) AS n,
           LATERAL (SELECT now() - n * interval '1 minute' AS at) AS moment
""")
_FILL_MESSAGES = text("""
    INSERT INTO message (id, tenant_id, created_at, updated_at, conversation_id, parent_id, role, status, text)
    SELECT md5('m' || n || '/' || k)::uuid, :tenant, at, at, md5('c' || n)::uuid,
           CASE WHEN k > 1 THEN md5('m' || n || '/' || k - 1)::uuid END,
           CASE k % 2 WHEN 1 THEN 'USER' ELSE 'ASSISTANT' END, 'COMPLETE', repeat('What was said. ', 20)
      FROM generate_series(CAST(:begin AS int), CAST(:end AS int)) AS n,
           generate_series(1, CAST(:each AS int)) AS k,
           LATERAL (SELECT now() - n * interval '1 minute' + k * interval '1 second' AS at) AS moment
""")
_FLOOR = (
    text("""SELECT id, title, updated_at, agent_id, active_message_id FROM conversation
             WHERE tenant_id = :tenant AND owner_id = :owner ORDER BY created_at DESC, id DESC LIMIT 51"""),
    text("SELECT id, name FROM agent WHERE tenant_id = :tenant AND id = ANY(:agents)"),
    text("SELECT id, role, text, created_at FROM message WHERE tenant_id = :tenant AND id = ANY(:messages)"),
)


async def run(bench: Bench) -> Report:
    """Fill a tenant, then measure its first page and its last, turn by turn."""
    count = 500 if bench.short else CONVERSATIONS
    report = Report(
        "pages", f"{PAGE} conversations with agent and last message, of {count:,} with {MESSAGES_EACH} each."
    )
    actor = await _filled(bench.env, count)
    issued = await bench.env.services.identity.issue_token(actor, ttl_s=86_400)
    last = await _behind_all_but_a_page(bench.env, actor)
    places: dict[str, dict[str, object]] = {"first page": {"first": PAGE}, "last page": {"first": PAGE, "after": last}}
    queries = await _statements(bench.env, actor, places)
    rounds, seconds = (1, 0.2) if bench.short else (5, 2.0)
    alone: dict[str, list[Answered]] = {name: [] for name in places}
    many: dict[str, list[Answered]] = {name: [] for name in places}
    beside = _Peer()
    floor: list[float] = []
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(bench.env))
        served = replace(server, token=issued.text.get_secret_value())
        if bench.peers:
            beside.served = await stack.enter_async_context(node.postgraphile(bench.env, actor.tenant_id))
        for _ in range(rounds):
            for name, variables in places.items():
                await _measure(post(served, _PAGE, **variables), served, seconds, alone[name], many[name])
            if beside.served is not None:
                request = post(beside.served, _POSTGRAPHILE_PAGE, first=PAGE, owner=str(actor.user_id))
                await _measure(request, beside.served, seconds, beside.alone, beside.many)
            floor += await _floor(bench.env, actor, 20 if bench.short else 100)
    _write_results(report, alone, many, floor, queries, beside)
    if bench.peers_absent:
        report.say(f"Without PostGraphile: {bench.peers_absent}.")
    return report


@dataclass(slots=True)
class _Peer:
    """PostGraphile over the same rows, in a transaction with the same tenant."""

    served: Served | None = None
    alone: list[Answered] = field(default_factory=list[Answered])
    many: list[Answered] = field(default_factory=list[Answered])


async def _filled(env: BenchEnvironment, count: int) -> Principal:
    """Make a tenant whose owner has so many conversations; a million messages take about a minute."""
    make = Factory(env.runtime.db)
    actor = await make.principal()
    agent = await make.agent(actor, name="Assistant")
    facts = {"tenant": actor.tenant_id, "owner": actor.user_id, "agent": agent.id, "each": MESSAGES_EACH}
    for begin in range(1, count + 1, _CHUNK):
        values = {**facts, "begin": begin, "end": min(begin + _CHUNK - 1, count)}
        async with env.runtime.db.transaction(actor.tenant_id) as session:
            for statement in (_FILL_CONVERSATIONS, _FILL_MESSAGES):
                await session.execute(statement, {name: values[name] for name in statement.compile().params})
        if begin == 1 or begin + _CHUNK > count:
            await _analyze(env)
    return actor


async def _analyze(env: BenchEnvironment) -> None:
    """Tell Postgres how much there is: it reads small tables whole, also for each foreign key of a million rows."""
    await run_sql(env.environment["NEXENT_MIGRATION_DATABASE_URL"], "VACUUM ANALYZE")


async def _behind_all_but_a_page(env: BenchEnvironment, actor: Principal) -> str:
    """Return the cursor that the last page begins behind."""
    answer = await DirectGraphQL(env.services)(actor, _LAST, last=PAGE + 1)
    return str(answer.one["edges"][0]["cursor"])


async def _statements(
    env: BenchEnvironment, actor: Principal, places: Mapping[str, Mapping[str, object]]
) -> Mapping[str, Sequence[str]]:
    """Return what each page sends to Postgres, and a page of one."""
    statements_by_name: dict[str, Sequence[str]] = {}
    for name, variables in {"a page of one": {"first": 1}, **places}.items():
        with statements(env.runtime.db) as queries:
            answer = await DirectGraphQL(env.services)(actor, _PAGE, **variables)
        nodes = answer.nodes
        if len(nodes) != variables["first"] or not all(node["agent"] and node["activeMessage"] for node in nodes):
            raise RuntimeError(f"the page has {len(nodes)} conversations")
        statements_by_name[name] = queries
    return statements_by_name


async def _measure(request: bytes, served: Served, seconds: float, alone: list[Answered], many: list[Answered]) -> None:
    await offer(served, request, seconds / 5)
    answered = await offer(served, request, seconds / 2, connections=1)
    if not _is_whole(answered.data):
        raise RuntimeError("the page is not whole")
    alone.append(answered)
    many.append(await offer(served, request, seconds))


def _is_whole(data: object) -> bool:
    """Whether an answer has a whole page, with an agent and a message each."""
    edges = cast("dict[str, dict[str, list[dict[str, dict[str, object]]]]]", data)["conversations"]["edges"]
    return len(edges) == PAGE and all(edge["node"]["agent"] and edge["node"]["activeMessage"] for edge in edges)


async def _floor(env: BenchEnvironment, actor: Principal, count: int) -> list[float]:
    """Return the milliseconds that the same rows take by three statements on an open session."""
    times: list[float] = []
    mine = {"tenant": actor.tenant_id}
    async with env.runtime.db.read(actor.tenant_id) as session:
        for _ in range(count):
            began = time.perf_counter()
            page = (await session.execute(_FLOOR[0], {**mine, "owner": actor.user_id})).all()
            agents: list[UUID] = list({row.agent_id for row in page})
            messages: list[UUID] = [row.active_message_id for row in page]
            (await session.execute(_FLOOR[1], {**mine, "agents": agents})).all()
            (await session.execute(_FLOOR[2], {**mine, "messages": messages})).all()
            times.append((time.perf_counter() - began) * 1e3)
    return times


def _write_results(
    report: Report,
    alone: Mapping[str, Sequence[Answered]],
    many: Mapping[str, Sequence[Answered]],
    floor: Sequence[float],
    queries: Mapping[str, Sequence[str]],
    beside: _Peer,
) -> None:
    head = ("", "statements", "one at a time: p50, p99 ms", "16 at once: req/s per core", "p50, p99 ms")
    rows = [(name, len(queries[name]), _pair(alone[name]), _rate(many[name]), _pair(many[name])) for name in alone]
    bare = f"{short(quantile(floor, 0.5))}, {short(quantile(floor, 0.99))}"
    if beside.alone:
        name = f"PostGraphile {node.postgraphile_version()}, first page"
        rows.append((name, 1, _pair(beside.alone), _rate(beside.many), _pair(beside.many)))
    report.table(head, [*rows, ("floor: the rows by three statements", 3, bare, "", "")])
    report.say("Per core: of the API's CPU; Postgres runs on the other core.")
    counts = {name: len(statements) for name, statements in queries.items()}
    report.verdict("the number of statements is constant", str(counts), holds=len(set(counts.values())) == 1)
    first, last = alone.values()
    ratio = median([b.p50_ms / a.p50_ms for a, b in zip(first, last, strict=True)])
    target = f"the last page takes at most {MAX_LAST_PAGE} times the first (p50, one at a time)"
    report.verdict(target, f"{short(ratio)} times", holds=ratio <= MAX_LAST_PAGE)
    over_floor = _p50(first) / quantile(floor, 0.5)
    target = f"the first page takes at most {MAX_OVER_FLOOR} times the floor (p50, one at a time)"
    report.verdict(target, f"{short(over_floor)} times", holds=over_floor <= MAX_OVER_FLOOR)
    tail = median([answer.p99_ms / answer.p50_ms for answer in first])
    report.verdict(f"its p99 is at most {MAX_TAIL} times its p50", f"{short(tail)} times", holds=tail <= MAX_TAIL)


def _p50(answers: Sequence[Answered]) -> float:
    return quantile([answer.p50_ms for answer in answers], 0.5)


def _pair(answers: Sequence[Answered]) -> str:
    return f"{short(_p50(answers))}, {short(quantile([answer.p99_ms for answer in answers], 0.5))}"


def _rate(answers: Sequence[Answered]) -> str:
    return short(quantile([answer.per_core_s for answer in answers], 0.5))
