"""Searching what was said, through GraphQL on a real Postgres."""

import random
from collections.abc import AsyncGenerator
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import insert, text

from nexent_gql.db.session import Database
from nexent_gql.domains.agents.tables import Agent
from nexent_gql.domains.conversations.search import search_query, search_vector
from nexent_gql.domains.conversations.tables import Conversation, MessageSearch
from nexent_gql.kernel.clock import utc_now
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.principal import Principal
from nexent_gql.kernel.search import query_terms
from tests.support.chat import Chat, id_of, open_chat
from tests.support.direct_graphql import Data
from tests.support.engines import run_sql
from tests.support.factory import Factory
from tests.support.statements import statements

SEARCH = """query ($words: String!, $first: Int, $after: String, $last: Int, $before: String) {
    searchMessages(query: $words, first: $first, after: $after, last: $last, before: $before) { totalCount
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
        edges { cursor node { message { id text } conversation { id }
            snippet { text highlights { start end } } } } } }"""


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
async def conversation(make: Factory, ada: Principal, agent: Agent) -> Conversation:
    return await make.conversation(ada, agent)


async def search(chat: Chat, actor: Principal, query: str, **page: object) -> Data:
    return (await chat.ask(actor, SEARCH, words=query, **page)).one


def texts(page: Data) -> list[str]:
    return [edge["node"]["message"]["text"] for edge in page["edges"]]


def marked(page: Data) -> list[str]:
    """Return what is highlighted in the first match."""
    snippet_text = page["edges"][0]["node"]["snippet"]
    return [snippet_text["text"][at["start"] : at["end"]] for at in snippet_text["highlights"]]


@pytest.mark.parametrize(
    ("message_text", "query", "marks"),
    [
        ("How do I deploy Kubernetes on a Raspberry Pi?", "kubernetes", ["Kubernetes"]),
        ("How do I deploy Kubernetes on a Raspberry Pi?", "PI kuber", ["Kuber", "Pi"]),
        ("今天的天气预报怎么样？", "天气", ["天气"]),
        ("今天的天气预报怎么样？", "气预报", ["气预报"]),
        ("我家有一只猫", "猫", ["猫"]),
        ("iPhone手机多少钱", "iphone手机", ["iPhone", "手机"]),
        ("東京タワーへ行く", "タワー", ["タワー"]),
        ("한국어를 배우자", "한국어", ["한국어"]),
        ("ภาษาไทยง่ายมาก", "ไทย", ["ไทย"]),
        ("Das ist eine STRASSE in Zu\u0308rich", "straße zürich", ["STRASSE", "Zu\u0308rich"]),
        ("Ὀδυσσεύς", "ὈΔΥΣΣΕΎΣ", ["Ὀδυσσεύς"]),
        ("ＦＵＬＬ width", "full", ["ＦＵＬＬ"]),
        ("We use C and snake_case", "c snake_case", ["C", "snake", "case"]),
        ("It works 🎉", "🎉", ["🎉"]),
        ("it's \\ 100% 'quoted' & safe:*", "quoted' & 100%", ["100", "quoted"]),
    ],
)
async def test_words_are_found_in_what_was_said(
    chat: Chat, ada: Principal, agent: Agent, message_text: str, query: str, marks: list[str]
) -> None:
    await chat.exchange(ada, agentId=id_of("Agent", agent), text="Something else entirely")
    payload = await chat.exchange(ada, agentId=id_of("Agent", agent), text=message_text)
    page = await search(chat, ada, query)
    assert (texts(page), page["totalCount"]) == ([message_text], 1)
    assert page["edges"][0]["node"]["conversation"]["id"] == payload["conversation"]["id"]
    assert marked(page) == marks


@pytest.mark.parametrize("query", ["etes", "天预", "kubernetes docker", "e", "🎈"])
async def test_what_was_not_said_is_not_found(chat: Chat, ada: Principal, agent: Agent, query: str) -> None:
    await chat.exchange(ada, agentId=id_of("Agent", agent), text="kubernetes 天气预报 🎉")
    assert (await search(chat, ada, query))["edges"] == []


@pytest.mark.parametrize("query", ["", "  ", "?!", "%", "nul\0", "\ud800", "x" * 201])
async def test_a_search_for_nothing_is_refused(chat: Chat, ada: Principal, query: str) -> None:
    refused = await chat.ask(ada, SEARCH, words=query)
    assert (refused.code, refused.errors[0]["extensions"]["path"]) == ("BAD_USER_INPUT", ["query"])


async def test_only_the_owner_finds_a_message(chat: Chat, ada: Principal, agent: Agent, make: Factory) -> None:
    await chat.exchange(ada, agentId=id_of("Agent", agent), text="a secret canary")
    for other in (await make.principal(beside=ada), await make.principal()):
        page = await search(chat, other, "canary")
        assert (page["edges"], page["totalCount"]) == ([], 0)
    assert texts(await search(chat, ada, "canary")) == ["a secret canary"]


async def test_a_deleted_conversation_is_not_found(chat: Chat, ada: Principal, agent: Agent) -> None:
    payload = await chat.exchange(ada, agentId=id_of("Agent", agent), text="canary")
    await chat.mutate(ada, "deleteConversation", "deletedId", conversationId=payload["conversation"]["id"])
    page = await search(chat, ada, "canary")
    assert (page["edges"], page["totalCount"]) == ([], 0)


async def test_pages_have_each_match_once_while_others_are_sent(chat: Chat, ada: Principal, agent: Agent) -> None:
    for number in range(5):
        await chat.exchange(ada, agentId=id_of("Agent", agent), text=f"canary {number}")
    texts_read: list[str] = []
    page = await search(chat, ada, "canary", first=2)
    while True:
        texts_read += texts(page)
        if not page["pageInfo"]["hasNextPage"]:
            break
        await chat.exchange(ada, agentId=id_of("Agent", agent), text="canary new")
        page = await search(chat, ada, "canary", first=2, after=page["pageInfo"]["endCursor"])
    assert texts_read == [f"canary {number}" for number in (4, 3, 2, 1, 0)]


async def test_pages_go_back_from_the_end(chat: Chat, ada: Principal, agent: Agent) -> None:
    for number in range(5):
        await chat.exchange(ada, agentId=id_of("Agent", agent), text=f"canary {number}")
    page = await search(chat, ada, "canary", last=2)
    pages = [texts(page)]
    while page["pageInfo"]["hasPreviousPage"]:
        page = await search(chat, ada, "canary", last=2, before=page["pageInfo"]["startCursor"])
        pages.append(texts(page))
    assert pages == [["canary 1", "canary 0"], ["canary 3", "canary 2"], ["canary 4"]]
    refused = await chat.ask(ada, SEARCH, words="canary", first=1, last=1)
    assert refused.errors[0]["extensions"]["path"] == ["last"]


async def test_a_page_costs_the_same_however_long_it_is(chat: Chat, ada: Principal, agent: Agent) -> None:
    for number in range(3):
        await chat.exchange(ada, agentId=id_of("Agent", agent), text=f"canary {number}")
    counts: list[int] = []
    for first in (1, 3):
        with statements(chat.database) as texts_read:
            await search(chat, ada, "canary", first=first)
        counts.append(len(texts_read))
    assert counts[0] == counts[1]


async def test_a_search_uses_the_index(
    database: Database, owner_url: str, ada: Principal, conversation: Conversation
) -> None:
    numbers, now = random.Random(1), utc_now()  # noqa: S311 - words, not secrets
    async with database.transaction(ada.tenant_id) as session:
        rows: list[dict[str, object]] = []
        searches: list[dict[str, object]] = []
        for number in range(5_000):
            words = " ".join(f"word{int(numbers.paretovariate(1)) % 3_000}" for _ in range(20)) + chr(0x4E00 + number)
            key = {"tenant_id": ada.tenant_id, "created_at": now + timedelta(seconds=number)}
            id_ = new_id()
            rows.append({**key, "id": id_, "conversation_id": conversation.id, "text": words})
            vector = search_vector(ada.user_id, words)
            searches.append({**key, "message_id": id_, "owner_id": ada.user_id, "vector": vector})
        await session.execute(
            text("""INSERT INTO message (id, tenant_id, conversation_id, role, status, text, created_at, updated_at)
                    VALUES (:id, :tenant_id, :conversation_id, 'USER', 'COMPLETE', :text, :created_at, :created_at)"""),
            rows,
        )
        await session.execute(insert(MessageSearch), searches)
    await run_sql(owner_url, "VACUUM ANALYZE message_search")
    plan = await _plan(database, ada.tenant_id, ada.user_id, "丁")
    assert "ix_message_search_vector" in plan
    assert "Seq Scan" not in plan


async def _plan(database: Database, tenant_id: UUID, owner_id: UUID, query: str) -> str:
    explain = text("""EXPLAIN SELECT message_id, created_at FROM message_search
                       WHERE tenant_id = :tenant AND owner_id = :owner AND vector @@ CAST(:query AS tsquery)
                       ORDER BY created_at DESC, message_id DESC LIMIT 21""")
    values = {"tenant": tenant_id, "owner": owner_id, "query": search_query(owner_id, query_terms(query))}
    async with database.system() as session:
        return "\n".join((await session.scalars(explain, values)).all())
