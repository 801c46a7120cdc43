"""Messages of more than text, from the mutation to the model and back to clients."""

from base64 import b64encode
from collections.abc import AsyncGenerator

import pytest
from sqlalchemy import text as sql

from nexent_gql.db.session import Database
from nexent_gql.domains.agents.tables import Agent
from nexent_gql.kernel.json import dumps
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.content import (
    CitationPart,
    ContentPart,
    FilePart,
    OpaquePart,
    Origin,
    ReasoningPart,
    TextPart,
    UnknownPart,
    encode_parts,
)
from tests.support.chat import Chat, id_of, key, open_chat
from tests.support.direct_graphql import Data
from tests.support.factory import Factory

PART = """{ __typename index ... on TextMessagePart { text } ... on ReasoningMessagePart { text }
    ... on ImageMessagePart { mediaType url } ... on FileMessagePart { name mediaType sizeBytes }
    ... on CitationMessagePart { label title quote page slide sheet heading url } }"""
MESSAGE = f"query ($id: ID!) {{ node(id: $id) {{ ... on Message {{ text parts {PART} }} }} }}"
PNG = f"data:image/png;base64,{b64encode(bytes.fromhex('89504e470d0a1a0a')).decode()}"
ADDRESS = "https://example.com/cat.png"
IMAGES = [{"image": {"url": ADDRESS}}, {"text": "and this"}, {"image": {"url": PNG}}]


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


async def read(chat: Chat, actor: Principal, message_id: object) -> Data:
    return (await chat.ask(actor, MESSAGE, id=message_id)).one


async def test_images_are_sent_and_shown_in_their_order(chat: Chat, ada: Principal, agent: Agent) -> None:
    payload = await chat.start(ada, agentId=id_of("Agent", agent), text="Look at this", parts=IMAGES)
    message = await read(chat, ada, payload["userMessage"]["id"])
    assert message["text"] == "Look at thisand this"
    assert message["parts"] == [
        {"__typename": "TextMessagePart", "index": 0, "text": "Look at this"},
        {"__typename": "ImageMessagePart", "index": 1, "mediaType": "image/*", "url": ADDRESS},
        {"__typename": "TextMessagePart", "index": 2, "text": "and this"},
        {"__typename": "ImageMessagePart", "index": 3, "mediaType": "image/png", "url": PNG},
    ]


async def test_a_message_may_be_an_image_alone_and_be_edited_to_another(
    chat: Chat, ada: Principal, agent: Agent
) -> None:
    payload = await chat.exchange(ada, agentId=id_of("Agent", agent), parts=IMAGES[:1])
    edited = await chat.exchange(
        ada, "editMessage", messageId=payload["userMessage"]["id"], text="Better", parts=IMAGES[2:]
    )
    message = await read(chat, ada, edited["userMessage"]["id"])
    assert [part["__typename"] for part in message["parts"]] == ["TextMessagePart", "ImageMessagePart"]


async def test_parts_that_are_no_images_are_refused_by_their_field(chat: Chat, ada: Principal, agent: Agent) -> None:
    for parts, path in (
        ([{"text": "x"}, {"image": {"url": "http://example.com/a.png"}}], ["input", "parts", "1", "image", "url"]),
        ([{"text": " "}], ["input", "parts", "0", "text"]),
        ([], ["input", "text"]),
    ):
        refused = await chat.start(ada, agentId=id_of("Agent", agent), parts=parts)
        assert (refused["__typename"], refused["path"]) == ("ValidationError", path)
    both: dict[str, object] = {"text": "x", "image": {"url": ADDRESS}}
    neither: dict[str, object] = {}
    null: dict[str, object] = {"image": None}
    for part in (both, neither, null):
        answer = await chat.ask(
            ada,
            "mutation ($input: SendMessageInput!) { sendMessage(input: $input) { __typename } }",
            input={"agentId": id_of("Agent", agent), "parts": [part]},
        )
        assert answer.errors


async def test_a_repeated_request_has_the_same_parts(chat: Chat, ada: Principal, agent: Agent) -> None:
    first = await chat.start(ada, agentId=id_of("Agent", agent), text="Look", parts=IMAGES, clientId="one")
    again = await chat.start(ada, agentId=id_of("Agent", agent), text="Look", parts=IMAGES, clientId="one")
    assert again["run"]["id"] == first["run"]["id"]
    other = await chat.start(ada, agentId=id_of("Agent", agent), text="Look", parts=IMAGES[:2], clientId="one")
    assert other["__typename"] == "ClientIdReusedError"


async def test_clients_see_every_part_but_those_for_providers(chat: Chat, ada: Principal, agent: Agent) -> None:
    payload = await chat.exchange(ada, agentId=id_of("Agent", agent), text="Hi")
    parts: list[ContentPart] = [
        ReasoningPart("Hm."),
        OpaquePart(Origin("anthropic", "m"), "thinking", {"signature": "secret"}),
        TextPart("It is so [1]."),
        UnknownPart({"type": "of a newer release", "text": "?"}),
        CitationPart("1", "Plan", "It is so.", page=3),
        FilePart(agent.id, "plan.pdf", "application/pdf", 1_234),
    ]
    await write(chat, ada, payload["assistantMessage"]["id"], parts)
    message = await read(chat, ada, payload["assistantMessage"]["id"])
    nothing = dict.fromkeys(("slide", "sheet", "heading", "url"))
    assert message["parts"] == [
        {"__typename": "ReasoningMessagePart", "index": 0, "text": "Hm."},
        {"__typename": "TextMessagePart", "index": 1, "text": "It is so [1]."},
        {
            "__typename": "CitationMessagePart",
            "index": 2,
            "label": "1",
            "title": "Plan",
            "quote": "It is so.",
            "page": 3,
            **nothing,
        },
        {
            "__typename": "FileMessagePart",
            "index": 3,
            "name": "plan.pdf",
            "mediaType": "application/pdf",
            "sizeBytes": 1_234,
        },
    ]


async def test_a_row_of_a_release_without_parts_is_its_text(chat: Chat, ada: Principal, agent: Agent) -> None:
    payload = await chat.exchange(ada, agentId=id_of("Agent", agent), text="Hi")
    async with chat.database.transaction(ada.tenant_id) as session:
        change = sql("UPDATE message SET text = 'Written by an older release', parts = DEFAULT WHERE id = :id")
        await session.execute(change, {"id": key("Message", payload["assistantMessage"]["id"])})
    message = await read(chat, ada, payload["assistantMessage"]["id"])
    assert message["parts"] == [{"__typename": "TextMessagePart", "index": 0, "text": "Written by an older release"}]


async def write(chat: Chat, actor: Principal, message_id: object, parts: list[ContentPart]) -> None:
    async with chat.database.transaction(actor.tenant_id) as session:
        change = sql("UPDATE message SET parts = CAST(:parts AS jsonb) WHERE id = :id")
        await session.execute(change, {"id": key("Message", message_id), "parts": dumps(encode_parts(parts)).decode()})
