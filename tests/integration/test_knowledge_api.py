"""Knowledge bases and documents by GraphQL."""

from collections.abc import AsyncGenerator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from nexent_gql.db.session import Database
from nexent_gql.kernel.principal import Principal, Role
from tests.support.direct_graphql import Data, DirectGraphQL
from tests.support.factory import Factory
from tests.support.ingestion import Ingestion, ingestion
from tests.support.statements import statements

if TYPE_CHECKING:
    from nexent_gql.services import Services

ERRORS = "... on Error { message code } ... on ValidationError { path }"
DOCUMENT = """
    id name version currentVersion state stage progress mediaType chunkCount problem { code message retryable }
    partProblems { part code } knowledgeBase { name chunkCount }
"""


@pytest.fixture
async def services(database: Database, tmp_path: Path) -> AsyncGenerator[Ingestion]:
    async with ingestion(database, tmp_path) as services:
        yield services


@pytest.fixture
async def actor(make: Factory) -> Principal:
    return await make.principal()


def graphql(services: Ingestion) -> DirectGraphQL:
    return DirectGraphQL(
        cast(
            "Services",
            SimpleNamespace(
                knowledge_bases=services.bases, documents=services.documents, knowledge_search=services.searches
            ),
        )
    )


async def mutate(services: Ingestion, actor: Principal, name: str, fields: str, /, **input: object) -> Data:
    kind = f"{name[0].upper()}{name[1:]}"
    selection = f"{{ {ERRORS} ... on {kind}Payload {{ {fields} }} }}"
    document = f"mutation ($input: {kind}Input!) {{ {name}(input: $input) {selection} }}"
    return (await graphql(services)(actor, document, input=input)).one


async def ask(services: Ingestion, actor: Principal, query: str, **variables: object) -> Data:
    return (await graphql(services)(actor, query, **variables)).one


async def new_base(services: Ingestion, actor: Principal, **input: object) -> str:
    created = await mutate(services, actor, "createKnowledgeBase", "knowledgeBase { id }", name="Manuals", **input)
    return str(created["knowledgeBase"]["id"])


async def test_from_a_text_to_chunks(services: Ingestion, actor: Principal) -> None:
    base = await new_base(services, actor, chunking={"strategy": "STRUCTURE", "maxWords": 50})
    source = {"text": {"name": "Guide", "content": "# Guide\n\n## Use\n\n" + "Open the page. " * 40}}
    added = await mutate(
        services, actor, "addDocument", f"document {{ {DOCUMENT} }}", knowledgeBaseId=base, source=source
    )
    document = added["document"]
    assert (document["state"], document["progress"], document["currentVersion"]) == ("QUEUED", 0, None)
    await services.drain()
    node = await ask(
        services,
        actor,
        f"query ($id: ID!) {{ node(id: $id) {{ ... on Document {{ {DOCUMENT} }} }} }}",
        id=document["id"],
    )
    assert (node["state"], node["progress"], node["problem"], node["partProblems"]) == ("READY", 1, None, [])
    assert node["knowledgeBase"] == {"name": "Manuals", "chunkCount": node["chunkCount"]}
    query = """query ($id: ID!) { documentChunks(documentId: $id, first: 2) {
        totalCount nodes { id text headings unitKind } pageInfo { hasNextPage } } }"""
    page = await ask(services, actor, query, id=document["id"])
    assert page["totalCount"] == node["chunkCount"] > 2
    assert page["nodes"][0]["headings"] == ["Guide"]
    assert page["nodes"][1]["headings"] == ["Guide", "Use"]
    chunk = await ask(
        services,
        actor,
        "query ($id: ID!) { node(id: $id) { ... on DocumentChunk { text document { id } } } }",
        id=page["nodes"][1]["id"],
    )
    assert chunk == {"text": page["nodes"][1]["text"], "document": {"id": document["id"]}}


async def test_the_documents_of_passages_are_loaded_together(services: Ingestion, actor: Principal) -> None:
    base = await new_base(services, actor)
    query = """query ($input: SearchKnowledgeInput!) { searchKnowledge(input: $input) {
        hits { chunk { document { name } } before { document { name } } } } }"""

    async def search(count: int) -> int:
        source = {"text": {"name": f"Number {count}", "content": "Whales swim in the sea."}}
        await mutate(services, actor, "addDocument", "document { id }", knowledgeBaseId=base, source=source)
        await services.drain()
        with statements(services.database) as queries:
            result = await ask(services, actor, query, input={"query": "whales", "knowledgeBaseIds": [base]})
        names = {hit["chunk"]["document"]["name"] for hit in result["hits"]}
        assert names == {f"Number {number}" for number in range(1, count + 1)}
        return len(queries)

    counts = [await search(count) for count in (1, 2, 3)]
    assert counts[2] < counts[0] + 2  # one more statement for each document would be two


async def test_a_failure_says_what_to_do(services: Ingestion, actor: Principal) -> None:
    base = await new_base(services, actor)
    source = {"text": {"name": "Guide", "content": "<!-- nothing -->"}}
    added = await mutate(services, actor, "addDocument", "document { id }", knowledgeBaseId=base, source=source)
    await services.execute("UPDATE job SET failures = 5, error = 'gone' WHERE name = 'process_document'")
    await services.drain()
    query = f"query ($id: ID!) {{ document(id: $id) {{ {DOCUMENT} }} }}"
    document = await ask(services, actor, query, id=added["document"]["id"])
    assert (document["state"], document["problem"]["code"]) == ("FAILED", "PROCESSING_FAILED")
    assert document["problem"]["retryable"] is True
    again = await mutate(services, actor, "reprocessDocument", "document { version state }", documentId=document["id"])
    assert again["document"] == {"version": 2, "state": "QUEUED"}
    cancelled = await mutate(services, actor, "cancelDocument", "document { state }", documentId=document["id"])
    assert cancelled["document"] == {"state": "CANCELLED"}


async def test_input_is_checked(services: Ingestion, actor: Principal) -> None:
    refused = await mutate(
        services, actor, "createKnowledgeBase", "knowledgeBase { id }", name="A", chunking={"maxWords": 5}
    )
    assert (refused["code"], refused["path"]) == ("BAD_USER_INPUT", ["input", "chunking", "maxWords"])
    base = await new_base(services, actor)
    blank = {"text": {"name": "Guide", "content": "  "}}
    refused = await mutate(services, actor, "addDocument", "document { id }", knowledgeBaseId=base, source=blank)
    assert refused["path"] == ["input", "source", "text", "content"]


async def test_a_colleague_reads_what_is_shared(services: Ingestion, actor: Principal, make: Factory) -> None:
    colleague = await make.principal(Role.MEMBER, beside=actor)
    base = await new_base(services, actor)
    query = "query ($id: ID!) { knowledgeBase(id: $id) { name isOwned access } }"
    assert await ask(services, colleague, query, id=base) is None
    updated = await mutate(
        services,
        actor,
        "updateKnowledgeBase",
        "knowledgeBase { name access }",
        knowledgeBaseId=base,
        access="TENANT_READ",
    )
    assert updated["knowledgeBase"] == {"name": "Manuals", "access": "TENANT_READ"}
    assert await ask(services, colleague, query, id=base) == {
        "name": "Manuals",
        "isOwned": False,
        "access": "TENANT_READ",
    }
    refused = await mutate(services, colleague, "deleteKnowledgeBase", "deletedId", knowledgeBaseId=base)
    assert refused["code"] == "FORBIDDEN"
    assert (await mutate(services, actor, "deleteKnowledgeBase", "deletedId", knowledgeBaseId=base))[
        "deletedId"
    ] == base
    assert await ask(services, actor, query, id=base) is None


async def test_lists_take_a_fixed_number_of_statements(services: Ingestion, actor: Principal) -> None:
    base = await new_base(services, actor)

    async def count() -> int:
        selection = f"{{ totalCount nodes {{ {DOCUMENT} }} }}"
        query = f"query ($id: ID!) {{ documents(knowledgeBaseId: $id, state: QUEUED) {selection} }}"
        with statements(services.database) as queries:
            await ask(services, actor, query, id=base)
        return len(queries)

    async def add() -> None:
        source = {"text": {"name": "Guide", "content": "Text."}}
        await mutate(services, actor, "addDocument", "document { id }", knowledgeBaseId=base, source=source)

    await add()
    few = await count()
    for _ in range(5):
        await add()
    assert await count() == few


SEARCH = """
    query ($input: SearchKnowledgeInput!) {
        searchKnowledge(input: $input) {
            terms belowMinScore
            hits { score explain { terms bm25 coverage } chunk { text headings } document { name state } }
        }
    }
"""


async def test_a_search_returns_passages_with_their_documents(services: Ingestion, actor: Principal) -> None:
    base = await new_base(services, actor)
    for number in range(3):
        source = {"text": {"content": f"# Error {number}\n\nAX-339{number}-B means no disk.", "name": f"Note {number}"}}
        await mutate(services, actor, "addDocument", "document { id }", knowledgeBaseId=base, source=source)
    await services.drain()
    search = {"query": "ax-3391-b", "knowledgeBaseIds": [base]}
    with statements(services.database) as queries:
        answer = await ask(services, actor, SEARCH, input=search)
    assert len(queries) <= 6
    assert answer["terms"] == ["ax", "3391", "b", "ax-3391-b"]
    best = answer["hits"][0]
    assert best["document"] == {"name": "Note 1", "state": "READY"}
    assert (best["chunk"]["headings"], best["score"]) == (["Error 1"], best["explain"]["coverage"])
    assert best["explain"]["terms"] == ["3391", "ax", "ax-3391-b", "b"]
    fewer = await ask(services, actor, SEARCH, input={**search, "topK": None, "minScore": best["score"] - 0.01})
    assert (len(fewer["hits"]), fewer["belowMinScore"]) == (1, 2)


OPTIONS = """
    query ($input: SearchKnowledgeInput!) {
        searchKnowledge(input: $input) {
            mode semanticWeight reranked
            hits { highlights { start end } before { text } after { text } explain { rerankScore keywordPart } }
        }
    }
"""


async def test_a_search_has_options(services: Ingestion, actor: Principal) -> None:
    base = await new_base(services, actor)
    source = {"text": {"content": "A red fish.", "name": "Note"}}
    added = await mutate(services, actor, "addDocument", "document { id }", knowledgeBaseId=base, source=source)
    await services.drain()
    search = {
        "query": "fish",
        "knowledgeBaseIds": [base],
        "fusion": {"method": "RECIPROCAL_RANKS", "semanticWeight": 0.2},
        "filter": {"documentIds": [added["document"]["id"]], "createdFrom": "2020-01-01T00:00:00Z"},
        "rerank": True,
        "neighbors": 1,
    }
    answer = await ask(services, actor, OPTIONS, input=search)
    assert (answer["mode"], answer["semanticWeight"], answer["reranked"]) == ("KEYWORD", None, False)
    assert answer["hits"] == [
        {
            "highlights": [{"start": 6, "end": 10}],
            "before": [],
            "after": [],
            "explain": {"rerankScore": None, "keywordPart": None},
        }
    ]
    search["filter"] = {"mediaTypes": ["application/pdf"]}
    assert (await ask(services, actor, OPTIONS, input=search))["hits"] == []
