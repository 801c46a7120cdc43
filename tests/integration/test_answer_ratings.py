"""What developers see of the ratings of a tenant's users."""

from collections.abc import AsyncGenerator

import pytest

from nexent_gql.db.session import Database
from nexent_gql.domains.agents.tables import Agent
from nexent_gql.kernel.principal import Principal, Role
from tests.support.chat import Chat, id_of, open_chat
from tests.support.direct_graphql import Data
from tests.support.factory import Factory
from tests.support.statements import statements

RATINGS = """query ($agentId: ID, $rating: Rating, $first: Int, $after: String) {
    answerRatings(agentId: $agentId, rating: $rating, first: $first, after: $after) { totalCount
        nodes { rating comment answeredAt providerModel agent { name } }
        pageInfo { hasNextPage endCursor } } }"""


@pytest.fixture
async def chat(database: Database, redis_url: str) -> AsyncGenerator[Chat]:
    async with open_chat(database, redis_url) as chat:
        yield chat


@pytest.fixture
async def developer(make: Factory) -> Principal:
    return await make.principal(Role.DEVELOPER)


@pytest.fixture
async def member(make: Factory, developer: Principal) -> Principal:
    return await make.principal(Role.MEMBER, beside=developer)


async def rate(chat: Chat, actor: Principal, agent: Agent, rating: str, comment: str | None = None) -> Data:
    payload = await chat.exchange(actor, agentId=id_of("Agent", agent), text="A secret question")
    answer_id = payload["assistantMessage"]["id"]
    await chat.mutate(actor, "rateMessage", "ratedMessage { id }", messageId=answer_id, rating=rating, comment=comment)
    return payload


async def comments(chat: Chat, actor: Principal, **filters: object) -> list[object]:
    page = (await chat.ask(actor, RATINGS, **filters)).one
    assert page["totalCount"] == len(page["nodes"])
    return [node["comment"] for node in page["nodes"]]


async def test_developers_read_ratings_of_all_users_of_their_tenant(
    chat: Chat, make: Factory, developer: Principal, member: Principal
) -> None:
    grace, edsger = await make.agent(developer, name="Grace"), await make.agent(developer, name="Edsger")
    stranger = await make.principal(Role.OWNER)
    await rate(chat, stranger, await make.agent(stranger), "BAD", "elsewhere")
    await rate(chat, member, grace, "GOOD", "first")
    await rate(chat, developer, edsger, "BAD", "second")
    await rate(chat, member, grace, "BAD", "third")
    await chat.exchange(member, agentId=id_of("Agent", grace), text="Not rated")
    assert await comments(chat, developer) == ["third", "second", "first"]
    assert await comments(chat, developer, agentId=id_of("Agent", grace)) == ["third", "first"]
    assert await comments(chat, developer, rating="BAD") == ["third", "second"]
    assert await comments(chat, stranger) == ["elsewhere"]
    page = (await chat.ask(developer, RATINGS, first=2)).one
    assert [node["agent"]["name"] for node in page["nodes"]] == ["Grace", "Edsger"]
    assert (page["totalCount"], page["pageInfo"]["hasNextPage"]) == (3, True)
    rest = (await chat.ask(developer, RATINGS, first=2, after=page["pageInfo"]["endCursor"])).one
    assert [node["comment"] for node in rest["nodes"]] == ["first"]


async def test_members_read_no_ratings(chat: Chat, member: Principal) -> None:
    assert (await chat.ask(member, RATINGS)).code == "FORBIDDEN"


async def test_a_deletion_takes_the_rating_along(
    chat: Chat, make: Factory, developer: Principal, member: Principal
) -> None:
    payload = await rate(chat, member, await make.agent(developer), "BAD", "gone")
    await chat.mutate(member, "deleteConversation", "deletedId", conversationId=payload["conversation"]["id"])
    assert await comments(chat, developer) == []


async def test_a_page_costs_the_same_however_long_it_is(
    chat: Chat, make: Factory, developer: Principal, member: Principal
) -> None:
    for _ in range(3):
        await rate(chat, member, await make.agent(developer), "GOOD")
    counts: list[int] = []
    for first in (1, 3):
        with statements(chat.database) as queries:
            await chat.ask(developer, RATINGS, first=first)
        counts.append(len(queries))
    assert counts[0] == counts[1]
