"""Deleted conversations disappear for all readers, can be restored for a while, and are purged after it."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import timedelta
from typing import cast

import pytest
from sqlalchemy import select
from sqlmodel import col

from nexent_gql.db.session import Database
from nexent_gql.domains.agents.tables import Agent
from nexent_gql.domains.conversations.errors import ConversationNotFoundError
from nexent_gql.domains.conversations.tables import Conversation, Message
from nexent_gql.domains.conversations.topics import run_topic
from nexent_gql.domains.runs.tables import Run
from nexent_gql.domains.runs.trash import ConversationPurger, ConversationTrash, PurgeConversation
from nexent_gql.jobs.lease import Lease
from nexent_gql.jobs.tables import Job, JobState
from nexent_gql.kernel.clock import utc_now
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.run_events import TextDelta
from tests.support.chat import Chat, id_of, key, open_chat, take, the_first, whole
from tests.support.direct_graphql import Data
from tests.support.factory import Factory

SEARCH = 'query { searchMessages(query: "canary") { totalCount edges { cursor } } }'
NODES = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
RUN_EVENTS = "subscription ($run: ID!) { runEvents(runId: $run) { __typename seq ... on RunFinished { status } } }"
EVENTS = (
    "subscription ($id: ID!, $after: String) { conversationEvents(conversationId: $id, after: $after) { seq cursor } }"
)


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


async def delete(chat: Chat, actor: Principal, id_: object, **options: object) -> Data:
    return await chat.mutate(actor, "deleteConversation", "deletedId restorableUntil", conversationId=id_, **options)


async def restore(chat: Chat, actor: Principal, id_: object) -> Data:
    return await chat.mutate(actor, "restoreConversation", "conversation { id eventsCursor }", conversationId=id_)


def ids_of(payload: Data) -> list[object]:
    return [payload[name]["id"] for name in ("conversation", "run", "userMessage", "assistantMessage")]


async def find(chat: Chat, actor: Principal, ids: list[object]) -> list[object]:
    """Return those of `ids` that the actor can load, and the cursors of what a search returns."""
    nodes = await load(chat, actor, ids)
    matches = (await chat.ask(actor, SEARCH)).one
    assert matches["totalCount"] == len(matches["edges"])
    return [node["id"] for node in nodes if node] + matches["edges"]


async def load(chat: Chat, actor: Principal, ids: list[object]) -> list[Data | None]:
    return cast("dict[str, list[Data | None]]", (await chat.ask(actor, NODES, ids=ids)).data)["nodes"]


async def test_a_deleted_conversation_comes_back_as_it_was(
    chat: Chat, ada: Principal, agent: Agent, make: Factory
) -> None:
    eve = await make.principal(beside=ada)
    payload = await chat.start(ada, agentId=id_of("Agent", agent), text="a canary", clientId="c1")
    await chat.write(ada, payload, TextDelta(text="partial", step=1))
    id_, ids = payload["conversation"]["id"], ids_of(payload)
    before = await find(chat, ada, ids)
    assert len(before) == len(ids) + 1

    deleted = await delete(chat, ada, id_)
    assert (deleted["deletedId"], deleted["restorableUntil"] > utc_now().isoformat()) == (id_, True)
    await chat.relay()
    assert await find(chat, ada, ids) == []
    assert not (await chat.log.read(run_topic(ada.tenant_id, key("Run", payload["run"]["id"])), 0)).entries
    assert await chat.job_states(ada) == ["CANCELLED", "QUEUED"]
    assert [await chat.count(ada, table) for table in (Conversation, Message, Run)] == [1, 2, 1]
    for refused in (
        await delete(chat, ada, id_),
        await restore(chat, eve, id_),
        await chat.start(ada, conversationId=id_, text="more", clientId="c1"),
    ):
        assert (refused["__typename"], refused["code"]) == ("NotFoundError", "NOT_FOUND")
    assert (await the_first(chat.subscribe(ada, RUN_EVENTS, run=payload["run"]["id"]))).code == "NOT_FOUND"

    assert (await restore(chat, ada, id_))["conversation"]["id"] == id_
    assert await find(chat, ada, ids) == before
    assert (await restore(chat, ada, id_))["conversation"]["id"] == id_
    events = await whole(chat.subscribe(ada, RUN_EVENTS, run=payload["run"]["id"]))
    assert events == [{"__typename": "RunFinished", "seq": 1, "status": "STOPPED"}]
    assert (await chat.exchange(ada, conversationId=id_, text="more", clientId="c1"))["conversation"]["id"] == id_


async def test_readers_of_a_deleted_conversation_end_and_go_on_after_its_restoration(
    chat: Chat, ada: Principal, agent: Agent
) -> None:
    payload = await chat.exchange(ada, agentId=id_of("Agent", agent), text="one")
    id_ = payload["conversation"]["id"]
    waiting = asyncio.create_task(whole(chat.subscribe(ada, EVENTS, id=id_)))
    await chat.until_listening()
    await delete(chat, ada, id_)
    await chat.relay()
    *_, last = await waiting
    restored = (await restore(chat, ada, id_))["conversation"]
    await chat.mutate(ada, "renameConversation", "conversation { id }", conversationId=id_, title="Back")
    for after in (last["cursor"], restored["eventsCursor"]):
        async with aclosing(chat.subscribe(ada, EVENTS, id=id_, after=after)) as stream:
            (event,) = await take(stream, 1)
            assert event["seq"] > last["seq"]


async def test_a_permanent_deletion_cannot_be_undone(chat: Chat, ada: Principal, agent: Agent) -> None:
    payload = await chat.exchange(ada, agentId=id_of("Agent", agent), text="one")
    id_ = payload["conversation"]["id"]
    assert (await delete(chat, ada, id_, isPermanent=True))["restorableUntil"] is None
    assert await chat.count(ada, Conversation) == 0
    assert (await restore(chat, ada, id_))["code"] == "NOT_FOUND"


async def test_the_purge_deletes_what_was_not_restored(chat: Chat, ada: Principal, agent: Agent) -> None:
    restored_id, deleted_id = [
        (await chat.exchange(ada, agentId=id_of("Agent", agent), text="one"))["conversation"]["id"] for _ in range(2)
    ]
    for id_ in (restored_id, deleted_id):
        await delete(chat, ada, id_)
    await restore(chat, ada, restored_id)
    jobs = await claim_purges(chat, ada)
    works = [PurgeConversation.model_validate(job.payload) for job in jobs]
    assert [work.conversation_id for work in works] == [key("Conversation", id_) for id_ in (restored_id, deleted_id)]
    for job, work in [*zip(jobs, works, strict=True)] * 2:  # a job may run twice
        await ConversationPurger().run(Lease(chat.database, job.id, ada.tenant_id, job.name, fence=1), work)
    assert await load(chat, ada, [restored_id, deleted_id]) == [{"id": restored_id}, None]
    assert [await chat.count(ada, table) for table in (Conversation, Message, Run)] == [1, 2, 1]


async def claim_purges(chat: Chat, actor: Principal) -> Sequence[Job]:
    """Return the tenant's jobs that purge conversations, oldest first, as a worker has claimed them."""
    query = select(Job).where(col(Job.name) == PurgeConversation.name).order_by(col(Job.position))
    async with chat.database.transaction(actor.tenant_id) as session:
        jobs = (await session.scalars(query)).all()
        assert all(job.run_after > utc_now() + timedelta(hours=23) for job in jobs)
        for job in jobs:
            job.state, job.fence = JobState.RUNNING, 1
    return jobs


async def test_after_its_time_a_deleted_conversation_cannot_be_restored(
    chat: Chat, ada: Principal, agent: Agent
) -> None:
    payload = await chat.exchange(ada, agentId=id_of("Agent", agent), text="one")
    await delete(chat, ada, payload["conversation"]["id"])
    late = ConversationTrash(chat.database, lambda: utc_now() + timedelta(days=2))
    with pytest.raises(ConversationNotFoundError):
        await late.restore(ada, key("Conversation", payload["conversation"]["id"]))
