"""Following a conversation, and that nobody else can do anything with it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from nexent_gql.db.session import Database
from nexent_gql.domains.agents.tables import Agent
from nexent_gql.kernel.principal import Principal
from tests.support.chat import Chat, id_of, key, open_chat, take, the_first
from tests.support.direct_graphql import Data
from tests.support.factory import Factory

EVENTS = """subscription ($id: ID!, $after: String) { conversationEvents(conversationId: $id, after: $after) {
    __typename seq cursor at
    ... on MessageAdded { message { role text status } }
    ... on MessageUpdated { message { role text status rating } }
    ... on ActiveBranchChanged { activeMessage { id } }
    ... on TitleChanged { conversation { title titleSource } }
    ... on RunStateChanged { run { status } }
    ... on ConversationDeleted { conversationId }
} }"""
KINDS = """subscription ($id: ID!, $after: String) {
    conversationEvents(conversationId: $id, after: $after) { __typename seq cursor } }"""


@pytest.fixture
async def chat(database: Database, redis_url: str) -> AsyncGenerator[Chat]:
    async with open_chat(database, redis_url) as chat:
        yield chat


@pytest.fixture
async def ada(make: Factory) -> Principal:
    return await make.principal()


@pytest.fixture
async def agent(make: Factory, ada: Principal) -> Agent:
    return await make.agent(ada, name="Grace")


def without_place(events: list[Data]) -> list[Data]:
    return [{name: value for name, value in event.items() if name not in ("seq", "cursor", "at")} for event in events]


async def test_a_second_tab_hears_of_everything(chat: Chat, ada: Principal, agent: Agent) -> None:
    created = await chat.mutate(
        ada, "createConversation", "conversation { id eventsCursor }", agentId=id_of("Agent", agent)
    )
    conversation_id, cursor = created["conversation"]["id"], created["conversation"]["eventsCursor"]
    payload = await chat.start(ada, conversationId=conversation_id, text="Hello?")
    await chat.stop(ada, payload["run"]["id"])
    await chat.mutate(
        ada, "renameConversation", "conversation { id }", conversationId=conversation_id, title="Greetings"
    )
    answer = payload["assistantMessage"]["id"]
    await chat.mutate(ada, "rateMessage", "ratedMessage { id }", messageId=answer, rating="GOOD")
    again = await chat.exchange(ada, "regenerateMessage", messageId=answer)
    await chat.mutate(ada, "selectBranch", "conversation { id }", messageId=answer)

    async with aclosing(chat.subscribe(ada, EVENTS, id=conversation_id, after=cursor)) as stream:
        events = await take(stream, 14)
    assert [event["seq"] for event in events] == list(range(1, 15))
    stopped = {"role": "ASSISTANT", "text": "", "status": "STOPPED"}
    other = again["assistantMessage"]["id"]
    assert without_place(events) == [
        {"__typename": "MessageAdded", "message": {"role": "USER", "text": "Hello?", "status": "COMPLETE"}},
        {"__typename": "MessageAdded", "message": stopped},
        {"__typename": "ActiveBranchChanged", "activeMessage": {"id": answer}},
        {"__typename": "RunStateChanged", "run": {"status": "STOPPED"}},
        {"__typename": "MessageUpdated", "message": {**stopped, "rating": "GOOD"}},
        {"__typename": "RunStateChanged", "run": {"status": "STOPPED"}},
        {"__typename": "TitleChanged", "conversation": {"title": "Greetings", "titleSource": "USER"}},
        {"__typename": "MessageUpdated", "message": {**stopped, "rating": "GOOD"}},
        {"__typename": "MessageAdded", "message": stopped},
        {"__typename": "ActiveBranchChanged", "activeMessage": {"id": other}},
        {"__typename": "RunStateChanged", "run": {"status": "STOPPED"}},
        {"__typename": "MessageUpdated", "message": {**stopped, "rating": None}},
        {"__typename": "RunStateChanged", "run": {"status": "STOPPED"}},
        {"__typename": "ActiveBranchChanged", "activeMessage": {"id": answer}},
    ]


async def test_events_show_what_is_true_when_they_are_delivered(chat: Chat, ada: Principal, agent: Agent) -> None:
    first = await chat.exchange(ada, agentId=id_of("Agent", agent), text="one")
    conversation_id = first["conversation"]["id"]
    async with aclosing(chat.subscribe(ada, EVENTS, id=conversation_id)) as stream:
        waiting = asyncio.create_task(take(stream, 4))
        await chat.until_listening()
        second = await chat.start(ada, conversationId=conversation_id, text="two")
        await chat.relay()
        assert without_place(await waiting)[-1] == {"__typename": "RunStateChanged", "run": {"status": "QUEUED"}}
        await chat.stop(ada, second["run"]["id"])
        await chat.relay()
        ending = without_place(await take(stream, 2))
        assert ending[-1] == {"__typename": "RunStateChanged", "run": {"status": "STOPPED"}}
    await chat.until_listening(0)


async def test_a_reconnect_goes_on_behind_its_cursor(chat: Chat, ada: Principal, agent: Agent) -> None:
    payload = await chat.exchange(ada, agentId=id_of("Agent", agent), text="one")
    conversation_id = payload["conversation"]["id"]
    start = f"{key('Conversation', conversation_id).hex[-8:]}-0"
    async with aclosing(chat.subscribe(ada, KINDS, id=conversation_id, after=start)) as stream:
        events_of_stream = await take(stream, 3)
    async with aclosing(chat.subscribe(ada, KINDS, id=conversation_id, after=events_of_stream[-1]["cursor"])) as stream:
        events_of_stream += await take(stream, 3)
    assert [event["seq"] for event in events_of_stream] == [1, 2, 3, 4, 5, 6]


async def test_a_deletion_is_the_last_event(chat: Chat, ada: Principal, agent: Agent) -> None:
    payload = await chat.start(ada, agentId=id_of("Agent", agent), text="one")
    conversation_id = payload["conversation"]["id"]
    stream = chat.subscribe(ada, EVENTS, id=conversation_id)
    waiting = asyncio.create_task(the_first(stream))
    await chat.until_listening()
    await chat.mutate(ada, "deleteConversation", "deletedId", conversationId=conversation_id)
    await chat.relay()
    event = (await waiting).one
    assert without_place([event]) == [{"__typename": "ConversationDeleted", "conversationId": conversation_id}]
    await chat.until_listening(0)


async def test_a_cursor_of_something_else_is_refused(chat: Chat, ada: Principal, agent: Agent) -> None:
    payload = await chat.exchange(ada, agentId=id_of("Agent", agent), text="one")
    conversation_id = payload["conversation"]["id"]
    own = key("Conversation", conversation_id).hex[-8:]
    odd = ("", "x", f"{own}-", f"{own}--1", f"{own}-01", f"{own}-9999999999", f"{own}-１", f"{own}-999999999")
    for after in (*odd, payload["cursor"]):
        refused = await the_first(chat.subscribe(ada, KINDS, id=conversation_id, after=after))
        assert (refused.data, refused.code) == (None, "INVALID_CURSOR")
        assert refused.errors[0]["extensions"]["path"] == ["after"]


READS = {
    "conversation": "query ($conversation: ID!) { found: conversation(id: $conversation) { id } }",
    "message": "query ($answer: ID!) { found: message(id: $answer) { id } }",
    "run": "query ($run: ID!) { found: run(id: $run) { id } }",
    "node": "query ($answer: ID!) { found: node(id: $answer) { id } }",
}
LISTS = {
    "conversations": "{ conversations { totalCount edges { cursor } } }",
    "runs": "{ runs { totalCount edges { cursor } } }",
    "runs of it": "query ($conversation: ID!) { runs(conversationId: $conversation) { totalCount edges { cursor } } }",
}
WRITES: dict[str, Data] = {
    "renameConversation": {"conversationId": "conversation", "title": "Mine now"},
    "updateConversation": {"conversationId": "conversation", "isPinned": True},
    "deleteConversation": {"conversationId": "conversation"},
    "selectBranch": {"messageId": "question"},
    "rateMessage": {"messageId": "answer", "rating": "BAD"},
    "sendMessage": {"conversationId": "conversation", "text": "Hello"},
    "editMessage": {"messageId": "question", "text": "Hello"},
    "regenerateMessage": {"messageId": "answer"},
    "retryRun": {"runId": "run"},
    "stopRun": {"runId": "run"},
}
FOLLOWED = {
    "runEvents": "subscription ($run: ID!) { runEvents(runId: $run) { seq } }",
    "conversationEvents": """subscription ($conversation: ID!) {
        conversationEvents(conversationId: $conversation) { seq } }""",
}


@pytest.mark.parametrize("colleague", [True, False])
async def test_nobody_else_reaches_a_conversation(
    chat: Chat, ada: Principal, agent: Agent, make: Factory, *, colleague: bool
) -> None:
    eve = await make.principal(beside=ada if colleague else None)
    payload = await chat.start(ada, agentId=id_of("Agent", agent), text="A secret")
    ids = {
        "conversation": payload["conversation"]["id"],
        "run": payload["run"]["id"],
        "question": payload["userMessage"]["id"],
        "answer": payload["assistantMessage"]["id"],
    }
    whole = """query ($id: ID!) { conversation(id: $id) { id title updatedAt eventsCursor activeMessage { id }
        messages { edges { node { id text status rating } } } latestRun { status stopRequested } } }"""
    before = await chat.ask(ada, whole, id=ids["conversation"])
    for query in READS.values():
        assert (await chat.ask(eve, query, **ids)).data == {"found": None}
    for query in LISTS.values():
        assert (await chat.ask(eve, query, **ids)).one == {"totalCount": 0, "edges": []}
    for name, fields in WRITES.items():
        input_ = {field: ids.get(value, value) for field, value in fields.items()}
        refused = await chat.mutate(eve, name, "__typename", **input_)
        assert (name, refused["__typename"], refused["code"]) == (name, "NotFoundError", "NOT_FOUND")
    for query in FOLLOWED.values():
        refused = await the_first(chat.subscribe(eve, query, **ids))
        assert (refused.data, refused.code) == (None, "NOT_FOUND")
    assert await chat.listeners() == 0
    assert await chat.ask(ada, whole, id=ids["conversation"]) == before


async def test_an_answer_of_somebody_else_is_no_parent(chat: Chat, ada: Principal, agent: Agent, make: Factory) -> None:
    eve = await make.principal(beside=ada)
    hers = await chat.exchange(ada, agentId=id_of("Agent", agent), text="A secret")
    mine = await chat.exchange(eve, agentId=id_of("Agent", agent), text="Hello")
    refused = await chat.start(
        eve, conversationId=mine["conversation"]["id"], parentId=hers["assistantMessage"]["id"], text="And?"
    )
    assert (refused["__typename"], refused["code"]) == ("NotFoundError", "NOT_FOUND")


async def test_an_agent_of_another_tenant_cannot_be_asked(chat: Chat, agent: Agent, make: Factory) -> None:
    eve = await make.principal()
    for name, fields in (("createConversation", {}), ("sendMessage", {"text": "Hello"})):
        refused = await chat.mutate(eve, name, "__typename", agentId=id_of("Agent", agent), **fields)
        assert (refused["__typename"], refused["code"]) == ("NotFoundError", "NOT_FOUND")
    assert (await chat.ask(eve, LISTS["conversations"])).one == {"totalCount": 0, "edges": []}


@pytest.mark.parametrize("name", [*READS, *LISTS])
async def test_reading_needs_a_credential(chat: Chat, name: str) -> None:
    query = READS.get(name) or LISTS[name]
    ids = {"conversation": "x", "answer": "x", "run": "x"}
    assert (await chat.ask(None, query, **ids)).code == "UNAUTHENTICATED"


@pytest.mark.parametrize("name", [*WRITES, "createConversation"])
async def test_writing_needs_a_credential(chat: Chat, name: str) -> None:
    kind = f"{name[0].upper()}{name[1:]}Input"
    document = f"mutation ($input: {kind}!) {{ {name}(input: $input) {{ __typename }} }}"
    input_ = WRITES.get(name, {"agentId": "x"})
    assert (await chat.ask(None, document, input=input_)).code == "UNAUTHENTICATED"


@pytest.mark.parametrize("name", list(FOLLOWED))
async def test_following_needs_a_credential(chat: Chat, name: str) -> None:
    refused = await the_first(chat.subscribe(None, FOLLOWED[name], conversation="x", run="x"))
    assert (refused.data, refused.code) == (None, "UNAUTHENTICATED")
