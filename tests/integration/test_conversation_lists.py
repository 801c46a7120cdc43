"""Pinned and archived conversations, and lists of many."""

from collections.abc import AsyncGenerator, Mapping
from datetime import timedelta
from typing import cast

import pytest
from sqlalchemy import ClauseElement, event, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import ORMExecuteState

from nexent_gql.db.session import Database
from nexent_gql.domains.agents.tables import Agent
from nexent_gql.domains.conversations.filters import ConversationFilter
from nexent_gql.domains.conversations.repository import ConversationRepository
from nexent_gql.kernel.clock import utc_now
from nexent_gql.kernel.page import BY_ACTIVITY, Cursor, PageRequest
from nexent_gql.kernel.principal import Principal
from tests.support.chat import Chat, id_of, open_chat
from tests.support.direct_graphql import Data
from tests.support.engines import run_sql
from tests.support.factory import Factory

MANY, BATCH = 100_000, 10_000
LIST = """query ($filter: ConversationFilter) { conversations(
    filter: $filter, orderBy: { field: UPDATED_AT }) { totalCount edges { node { title } } } }"""
STATE = "conversation { id title pinnedAt archivedAt updatedAt eventsCursor }"
FILL = text("""
    INSERT INTO conversation (id, tenant_id, owner_id, agent_id, title, title_key, title_source, event_seq,
                              created_at, updated_at, archived_at, pinned_at)
    SELECT gen_random_uuid(), tenant_id, owner_id, agent_id, 'Title ' || n, 'title ' || n, 'USER', 0,
           created_at + make_interval(secs => n), updated_at + make_interval(secs => n * 7 % 100003),
           CASE WHEN n % 1000 <> 0 THEN updated_at END, CASE WHEN n % 20000 = 0 THEN updated_at END
      FROM conversation CROSS JOIN generate_series(CAST(:first AS integer), CAST(:last AS integer)) AS n
     WHERE id = :template
""")
"""All but every thousandth are archived."""


@pytest.fixture
async def chat(database: Database, redis_url: str) -> AsyncGenerator[Chat]:
    async with open_chat(database, redis_url) as chat:
        yield chat


@pytest.fixture
async def ada(make: Factory) -> Principal:
    return await make.principal()


@pytest.fixture
async def agent(make: Factory, ada: Principal) -> Agent:
    return await make.agent(ada)


@pytest.fixture
async def ids(make: Factory, ada: Principal, agent: Agent) -> dict[str, str]:
    """Make conversations named a to d, d with the latest activity; returns their ids."""
    moment = utc_now() - timedelta(hours=1)
    rows = [
        await make.conversation(ada, agent, title=title, at=moment + timedelta(seconds=n))
        for n, title in enumerate("abcd")
    ]
    return {row.title: id_of("Conversation", row) for row in rows}


async def listed(chat: Chat, actor: Principal, **filters: object) -> str:
    """Return the titles of a list, latest activity first."""
    answer = await chat.ask(actor, LIST, filter=filters or None)
    titles = "".join(node["title"] for node in answer.nodes)
    assert answer.one["totalCount"] == len(titles)
    return titles


async def update(chat: Chat, actor: Principal, id_: str, **flags: object) -> Data:
    payload = await chat.mutate(actor, "updateConversation", STATE, conversationId=id_, **flags)
    assert payload["__typename"] == "UpdateConversationPayload", payload
    return payload["conversation"]


async def test_lists_leave_archived_conversations_out_unless_asked(
    chat: Chat, ada: Principal, ids: dict[str, str]
) -> None:
    await update(chat, ada, ids["b"], isArchived=True)
    await update(chat, ada, ids["c"], isArchived=True, isPinned=True)
    await update(chat, ada, ids["a"], isPinned=True)
    assert await listed(chat, ada) == "da"
    assert await listed(chat, ada, isArchived=True) == "cb"
    assert await listed(chat, ada, isPinned=True) == "a"
    assert await listed(chat, ada, isPinned=False) == "d"
    assert await listed(chat, ada, isArchived=True, isPinned=True) == "c"
    assert (await chat.ask(ada, "query ($id: ID!) { conversation(id: $id) { title } }", id=ids["b"])).one
    await update(chat, ada, ids["b"], isArchived=False)
    assert await listed(chat, ada) == "dba"


async def test_a_list_of_one_agent(chat: Chat, ada: Principal, ids: dict[str, str], make: Factory) -> None:
    other = await make.agent(ada)
    await make.conversation(ada, other, title="e")
    assert await listed(chat, ada, agentId=id_of("Agent", other)) == "e"
    refused = await chat.ask(ada, LIST, filter={"agentId": ids["a"]})
    assert (refused.code, refused.errors[0]["extensions"]["path"]) == ("INVALID_ID", ["filter", "agentId"])


async def test_pinning_is_no_activity_and_repeating_it_changes_nothing(
    chat: Chat, ada: Principal, ids: dict[str, str]
) -> None:
    query = f"query ($id: ID!) {{ {STATE.replace('conversation', 'conversation(id: $id)')} }}"
    before = (await chat.ask(ada, query, id=ids["a"])).one
    pinned = await update(chat, ada, ids["a"], isPinned=True)
    assert pinned["pinnedAt"] is not None
    assert pinned == {**before, "pinnedAt": pinned["pinnedAt"], "eventsCursor": pinned["eventsCursor"]}
    assert pinned["eventsCursor"] != before["eventsCursor"]
    assert await update(chat, ada, ids["a"], isPinned=True) == pinned
    assert await update(chat, ada, ids["a"]) == pinned
    assert (await update(chat, ada, ids["a"], isPinned=False))["pinnedAt"] is None


async def test_other_devices_are_told_of_a_pin(chat: Chat, ada: Principal, ids: dict[str, str]) -> None:
    await update(chat, ada, ids["a"], isPinned=True)
    subscription = """subscription ($id: ID!, $after: String) { conversationEvents(conversationId: $id, after: $after) {
        __typename ... on ConversationUpdated { conversation { title } } } }"""
    query = "query ($id: ID!) { conversation(id: $id) { eventsCursor } }"
    cursor: str = (await chat.ask(ada, query, id=ids["a"])).one["eventsCursor"]
    start = cursor.rpartition("-")[0] + "-0"
    stream = chat.subscribe(ada, subscription, id=ids["a"], after=start)
    assert (await anext(stream)).one == {"__typename": "ConversationUpdated", "conversation": {"title": "a"}}
    await stream.aclose()


@pytest.mark.slow
async def test_a_page_of_a_hundred_thousand_reads_its_rows_only(
    database: Database, owner_url: str, make: Factory, ada: Principal, agent: Agent
) -> None:
    middle = await make.conversation(ada, agent, at=utc_now() - timedelta(days=9))
    for start in range(0, MANY, BATCH):
        async with database.transaction(ada.tenant_id) as session:
            await session.execute(FILL, {"template": middle.id, "first": start + 1, "last": start + BATCH})
    await run_sql(owner_url, "VACUUM ANALYZE conversation")
    after = Cursor(at=middle.updated_at + timedelta(seconds=50_000), id=middle.id, order=BY_ACTIVITY)
    for filters in (
        ConversationFilter(),
        ConversationFilter(is_pinned=False),
        ConversationFilter(is_archived=True),
        ConversationFilter(is_pinned=True),
    ):
        for page in (PageRequest(order=BY_ACTIVITY), PageRequest(order=BY_ACTIVITY, after=after)):
            plan = await explain(database, ada, page, filters)
            assert "Index Scan" in plan, plan
            assert "Seq Scan" not in plan, plan
            assert "Sort" not in plan, plan
            assert rows_removed(plan) <= page.size, plan


async def explain(database: Database, actor: Principal, page: PageRequest, filters: ConversationFilter) -> str:
    """Return the plan of the statement that the repository sends for a page, as the tenant's login runs it."""
    queries: list[str] = []

    def record(state: ORMExecuteState) -> None:
        statement = cast("ClauseElement", state.statement).params(cast("Mapping[str, object]", state.parameters))
        queries.append(str(statement.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True})))

    async with database.read(actor.tenant_id) as session:
        event.listen(session.sync_session, "do_orm_execute", record)
        await ConversationRepository(session, actor.tenant_id, actor.user_id).page_filtered(page, filters)
        event.remove(session.sync_session, "do_orm_execute", record)
        (statement,) = queries
        return "\n".join((await session.scalars(text(f"EXPLAIN (ANALYZE) {statement}"))).all())


def rows_removed(plan: str) -> int:
    """Return how many rows the plan read and threw away."""
    return sum(int(line.rpartition(" ")[2]) for line in plan.splitlines() if "Rows Removed by Filter" in line)
