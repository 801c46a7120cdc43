"""Exports of conversations: their content, and the signed addresses from which they are downloaded."""

import json
from collections.abc import AsyncGenerator, Sequence

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from nexent_gql.api.conversations.http import export_routes
from nexent_gql.db.session import Database
from nexent_gql.domains.agents.tables import Agent
from nexent_gql.domains.conversations.writer import ConversationWriter
from nexent_gql.domains.knowledge.tables import Document, DocumentVersion, KnowledgeBase
from nexent_gql.domains.runs.repository import RunRepository
from nexent_gql.domains.runs.stopping import close_run
from nexent_gql.domains.runs.tables import RunStatus
from nexent_gql.kernel.clock import utc_now
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.content import CitationPart, encode_parts, text_parts
from nexent_gql.ports.events import Entry
from nexent_gql.ports.llm import Usage
from nexent_gql.ports.run_events import (
    PartsAdded,
    RunEventBody,
    RunFinished,
    TextDelta,
    ToolCallStarted,
    ToolOutput,
    UsageUpdated,
    encode_body,
)
from tests.support.chat import Chat, id_of, key, open_chat
from tests.support.direct_graphql import Data
from tests.support.factory import Factory

CITATION = CitationPart(label="1", title="Manual", quote="Turn it\noff.", page=3)
BODIES: list[RunEventBody] = [
    ToolCallStarted(call_id="c", name="calculator", arguments={"expression": "6*7"}, step=1),
    ToolOutput(call_id="c", name="calculator", output="42 ```", duration_ms=5, step=1),
    PartsAdded(call_id="c", parts=encode_parts([CITATION]), step=1),
    TextDelta(text="It is **42** [1].", step=1),
    UsageUpdated(usage=Usage(input_tokens=5, output_tokens=7)),
]


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


@pytest.fixture
async def http(chat: Chat) -> AsyncGenerator[httpx2.AsyncClient]:
    routes = Starlette(routes=export_routes(idle_s=10))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await routes({**scope, "state": {"services": chat.services}}, receive, send)

    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://api.example", trust_env=False) as client:
        yield client


async def finish(chat: Chat, actor: Principal, payload: Data, bodies: Sequence[RunEventBody] = BODIES) -> None:
    """End a run as its worker does, by default with a tool call, a citation and an answer."""
    async with chat.database.transaction(actor.tenant_id) as session:
        ending = RunFinished(status=RunStatus.SUCCEEDED, model_name="model-1", cost_usd="0.01")
        entries = [Entry(n, 1, 1_769_882_400_000, encode_body(body)) for n, body in enumerate([*bodies, ending], 1)]
        conversation_id = key("Conversation", payload["conversation"]["id"])
        conversation = await ConversationWriter(session, actor.tenant_id, actor.user_id).lock(conversation_id)
        run = await RunRepository(session, actor.tenant_id, actor.user_id).get(key("Run", payload["run"]["id"]))
        assert conversation is not None
        assert run is not None
        await close_run(session, conversation, run, entries, ending, utc_now())


async def url_of(chat: Chat, actor: Principal, id_: object, format_: str) -> str:
    query = "query ($id: ID!, $format: ExportFormat!) { conversation(id: $id) { exportUrl(format: $format) } }"
    return str((await chat.ask(actor, query, id=id_, format=format_)).one["exportUrl"])


async def download(chat: Chat, http: httpx2.AsyncClient, actor: Principal, id_: object, format_: str) -> str:
    response = await http.get(await url_of(chat, actor, id_, format_))
    assert response.status_code == 200, response.text
    return response.text


@pytest.fixture
async def id_(chat: Chat, ada: Principal, agent: Agent) -> str:
    """Make a conversation with two branches, one of which has an answer with a tool call; returns its id."""
    first = await chat.exchange(ada, agentId=id_of("Agent", agent), text="A first question")
    answered = await chat.start(ada, "editMessage", messageId=first["userMessage"]["id"], text="What is 6*7?")
    await finish(chat, ada, answered)
    id_: str = answered["conversation"]["id"]
    await chat.mutate(ada, "renameConversation", "conversation { id }", conversationId=id_, title="Zürich 7/8")
    rating = {"messageId": answered["assistantMessage"]["id"], "rating": "GOOD", "comment": "Right"}
    await chat.mutate(ada, "rateMessage", "ratedMessage { id }", **rating)
    return id_


async def test_markdown_has_the_active_branch(chat: Chat, ada: Principal, http: httpx2.AsyncClient, id_: str) -> None:
    content = await download(chat, http, ada, id_, "MARKDOWN")
    head, question, answer = content.split("\n## ")
    assert head.startswith("# Zürich 7/8\n\nAgent: Grace")
    assert question.partition("\n\n")[2] == "What is 6*7?\n"
    assert answer.startswith("Grace, ")
    for part in (
        'Tool `calculator`:\n\n```json\n{"expression":"6*7"}\n```\n\n````\n42 ```\n````',
        "\n\nIt is **42** [1].\n\n",
        "Sources:\n\n- [1] Manual, page 3: “Turn it off.”\n",
    ):
        assert part in answer, answer


async def test_json_has_all_branches(chat: Chat, ada: Principal, http: httpx2.AsyncClient, id_: str) -> None:
    export = json.loads(await download(chat, http, ada, id_, "JSON"))
    assert (export["format"], export["title"], export["agentName"]) == ("nexent-conversation/1", "Zürich 7/8", "Grace")
    first, stopped, second, answer = export["messages"]
    assert [first["parentId"], stopped["parentId"], second["parentId"]] == [None, first["id"], None]
    assert [message["text"] for message in export["messages"]] == [
        "A first question",
        "",
        "What is 6*7?",
        "It is **42** [1].",
    ]
    assert export["activeMessageId"] == answer["id"]
    assert (answer["parentId"], answer["rating"], answer["ratingComment"]) == (second["id"], "GOOD", "Right")
    assert (answer["run"]["status"], answer["run"]["model"], answer["run"]["outputTokens"]) == (
        "SUCCEEDED",
        "model-1",
        7,
    )
    assert answer["toolCalls"] == [
        {
            "name": "calculator",
            "arguments": {"expression": "6*7"},
            "agentPath": "main",
            "output": "42 ```",
            "isError": False,
            "durationMs": 5,
        }
    ]
    assert [part["type"] for part in answer["parts"]] == ["citation", "text"]
    assert stopped["toolCalls"] == []


async def test_quotes_of_documents_that_are_deleted_or_no_longer_shared_are_left_out(
    chat: Chat, ada: Principal, agent: Agent, make: Factory, http: httpx2.AsyncClient
) -> None:
    eve = await make.principal(beside=ada)
    bases = [KnowledgeBase(tenant_id=ada.tenant_id, owner_id=owner.user_id, name="Base") for owner in (ada, ada, eve)]
    documents = [new_document(base) for base in bases]
    citations = [
        CitationPart(label=str(n), title=f"Title {n}", quote=f"Words {n}.", document_id=document.id)
        for n, (document, _) in enumerate(documents, 1)
    ]
    documents[1][0].deleted_at = utc_now()
    async with chat.database.transaction(ada.tenant_id) as session:
        session.add_all(bases)
        await session.flush()
        session.add_all([document for document, _ in documents])
        await session.flush()
        session.add_all([version for _, version in documents])
    bodies = [PartsAdded(call_id="c", parts=encode_parts(citations), step=1), TextDelta(text="See [1][2][3].", step=1)]
    payload = await chat.start(ada, "sendMessage", agentId=id_of("Agent", agent), text="Where?")
    await finish(chat, ada, payload, bodies)
    id_: str = payload["conversation"]["id"]
    markdown = await download(chat, http, ada, id_, "MARKDOWN")
    gone = "the document was deleted, or you can no longer read it"
    assert f"- [1] Title 1: “Words 1.”\n- [2] Title 2: {gone}\n- [3] Title 3: {gone}\n" in markdown
    export = await download(chat, http, ada, id_, "JSON")
    assert [words for n in "123" if (words := f"Words {n}.") in export] == ["Words 1."]


def new_document(base: KnowledgeBase) -> tuple[Document, DocumentVersion]:
    document = Document(
        tenant_id=base.tenant_id,
        knowledge_base_id=base.id,
        name="D",
        created_by=base.owner_id,
        latest_version_id=new_id(),
    )
    version = DocumentVersion(
        id=document.latest_version_id,
        tenant_id=base.tenant_id,
        document_id=document.id,
        number=1,
        created_by=base.owner_id,
    )
    return document, version


@pytest.mark.parametrize("format_", ["MARKDOWN", "JSON"])
async def test_a_long_conversation_is_exported_whole(
    chat: Chat, ada: Principal, agent: Agent, make: Factory, http: httpx2.AsyncClient, format_: str
) -> None:
    row, parent = await make.conversation(ada, agent), None
    async with chat.database.transaction(ada.tenant_id) as session:
        conversation = await ConversationWriter(session, ada.tenant_id, ada.user_id).lock(row.id)
        assert conversation is not None
        writer = ConversationWriter(session, ada.tenant_id, ada.user_id)
        for number in range(45):
            at = utc_now()
            message = writer.add_question(conversation, parent, text_parts(f"Number {number};"), at)
            parent = conversation.active_message_id = message.id
        await writer.record_events(conversation, utc_now())
    content = await download(chat, http, ada, id_of("Conversation", row), format_)
    places = [content.index(f"Number {number};") for number in range(45)]
    assert places == sorted(places)


async def test_an_address_is_refused_when_it_is_wrong_or_its_conversation_deleted(
    chat: Chat, ada: Principal, http: httpx2.AsyncClient, id_: str
) -> None:
    url = await url_of(chat, ada, id_, "JSON")
    response = await http.head(url)
    assert (response.status_code, response.content) == (200, b"")
    assert "Z%C3%BCrich%207-8.json" in response.headers["content-disposition"]
    forged = url[:-3] + ("AAA" if url[-3:] != "AAA" else "BBB")
    await chat.mutate(ada, "deleteConversation", "deletedId", conversationId=id_)
    for wrong in (forged, url.replace("/exports/", "/exports/x"), url):
        refused = await http.get(wrong)
        assert refused.status_code in (403, 404)
        assert "INVALID_FILE_LINK" in refused.text
