"""From an upload to a cited answer, over real sockets and with real workers."""

import asyncio
from typing import cast

import pytest

from nexent_gql.adapters.embeddings_local import installed_models
from tests.e2e.conftest import CREATE_AGENT, REGISTER, Scenario
from tests.e2e.test_files import upload
from tests.support.fake_provider import Text, Tool
from tests.support.graphql_client import Client, Data, assert_complete
from tests.support.installation import Installation

pytestmark = pytest.mark.slow

TEXT = "# Launch\n\nThe rocket Marlin starts on 14 May from pad seven.\n\n# Crew\n\nThe crew has four members."
CREATE_BASE = """
mutation ($input: CreateKnowledgeBaseInput!) {
  createKnowledgeBase(input: $input) { ... on CreateKnowledgeBasePayload { knowledgeBase { id } } }
}
"""
ADD = """
mutation ($input: AddDocumentInput!) {
  addDocument(input: $input) { ... on AddDocumentPayload { document { id } } ... on Error { code message } }
}
"""
STATE = "query ($id: ID!) { node(id: $id) { ... on Document { state problem { code } } } }"
ANSWER = """
query ($id: ID!) {
  message(id: $id) {
    text
    citations { label title quote page heading documentVersion changedSince start end document { id name } }
  }
}
"""
AGENTS = "{ agents(first: 100) { edges { node { id name knowledgeBases { id name searchLimitation { code } } } } } }"
DOCUMENTS = """
query ($id: ID!) { documents(knowledgeBaseId: $id, first: 10) { edges { node { id state } } } }
"""


async def until_ready(client: Client, *document_ids: str) -> None:
    """Wait for documents."""
    async with asyncio.timeout(120):
        for id_ in document_ids:
            while (node := await client.one(STATE, id=id_))["state"] != "READY":
                assert node["state"] in {"QUEUED", "PROCESSING"}, node
                await asyncio.sleep(0.2)


async def test_an_uploaded_document_is_cited(scenario: Scenario) -> None:
    client, provider = scenario.client, scenario.provider
    file_id = await upload(client, "marlin.md", TEXT.encode())
    base = (await client.one(CREATE_BASE, input={"name": "Rockets"}))["knowledgeBase"]["id"]
    source = {"file": {"fileId": file_id}}
    document = (await client.one(ADD, input={"knowledgeBaseId": base, "source": source}))["document"]["id"]
    await until_ready(client, document)
    model = await client.one(
        REGISTER,
        input={
            "name": f"{scenario.script}-2",
            "dialect": "OPENAI",
            "baseUrl": provider.base_url,
            "providerModel": scenario.script,
        },
    )
    agent = await client.one(
        CREATE_AGENT,
        input={"name": f"Rockets {scenario.script}", "modelId": model["model"]["id"], "knowledgeBaseIds": [base]},
    )
    search = Tool("knowledge_search", {"query": "When does the rocket Marlin start?"})
    provider.script(scenario.script, [search], [Text("It starts on 14 May [1].")])
    message_payload = await client.send("When does Marlin start?", agentId=agent["agent"]["id"])
    events = await client.whole(message_payload["run"]["id"])
    assert_complete(events)
    assert {"PassagesRetrieved", "CitationAdded"} <= {event["__typename"] for event in events}
    message = await client.one(ANSWER, id=message_payload["assistantMessage"]["id"])
    (citation,) = message["citations"]
    assert (citation["label"], citation["title"], citation["heading"]) == ("1", "marlin.md", "Launch")
    assert citation["document"] == {"id": document, "name": "marlin.md"}
    assert citation["quote"] == TEXT[citation["start"] : citation["end"]], "the quote is at its place"
    assert "14 May" in citation["quote"]
    assert (citation["documentVersion"], citation["changedSince"]) == (1, False)


@pytest.mark.parametrize(
    ("question", "fact", "title"),
    [
        ("How much does a single crossing cost for adults?", "9 crowns for adults", "tickets.md"),
        ("救生衣存放在哪里？", "红色柜子", "员工手册.md"),
    ],
)
async def test_the_demo_agent_answers_from_its_base(
    installation: Installation, client: Client, question: str, fact: str, title: str
) -> None:
    assert installation
    edges = cast("list[Data]", (await client.one(AGENTS))["edges"])
    guide = next(edge["node"] for edge in edges if edge["node"]["name"] == "Guide")
    (base,) = guide["knowledgeBases"]
    assert base["searchLimitation"] == (None if installed_models() else {"code": "NO_EMBEDDING_MODEL"})
    documents = (await client.one(DOCUMENTS, id=base["id"]))["edges"]
    assert len(documents) == 4
    await until_ready(client, *(edge["node"]["id"] for edge in documents))
    message_payload = await client.send(question, agentId=guide["id"])
    assert_complete(await client.whole(message_payload["run"]["id"]))
    message = await client.one(ANSWER, id=message_payload["assistantMessage"]["id"])
    assert fact in message["text"]
    assert any(fact in citation["quote"] and citation["title"] == title for citation in message["citations"])
