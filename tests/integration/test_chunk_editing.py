"""Chunks that are searched within a document, edited and disabled by hand."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from nexent_gql.db.session import Database
from nexent_gql.kernel.principal import Principal, Role
from tests.support.direct_graphql import Data
from tests.support.factory import Factory
from tests.support.knowledge_api import KnowledgeApi, open_knowledge_api

CHUNK = "chunk { id text keywords isEnabled isEdited }"
CHUNKS = """query ($id: ID!, $search: String) { documentChunks(documentId: $id, search: $search) {
    totalCount nodes { id text isEnabled } } }"""
SEARCH = """query ($input: SearchKnowledgeInput!) { searchKnowledge(input: $input) { hits { chunk { id text } } } }"""
TEXT = "# Kettles\n\nThe kettle boils at NOON.\n\n# Lamps\n\nA lamp burns\nall night.\n\n# 灯\n\n灯在夜里亮着。"


@pytest.fixture
async def api(database: Database, redis_url: str, tmp_path: Path) -> AsyncGenerator[KnowledgeApi]:
    async with open_knowledge_api(database, redis_url, tmp_path) as api:
        yield api


@pytest.fixture
async def actor(make: Factory) -> Principal:
    return await make.principal()


async def new_document(api: KnowledgeApi, actor: Principal) -> tuple[str, str]:
    """Add a document of three chunks."""
    base = await api.new_base(actor, chunking={"strategy": "STRUCTURE", "maxWords": 20})
    document = await api.add_text(actor, base, TEXT)
    await api.ingestion.drain()
    return base, document


async def texts(api: KnowledgeApi, actor: Principal, document: str, search: str | None = None) -> list[str]:
    listed = await api.ask(actor, CHUNKS, id=document, search=search)
    assert listed["totalCount"] == len(listed["nodes"])
    return [node["text"] for node in listed["nodes"]]


async def find(api: KnowledgeApi, actor: Principal, base: str, words: str) -> list[str]:
    search = {"query": words, "knowledgeBaseIds": [base], "mode": "KEYWORD"}
    return [hit["chunk"]["text"] for hit in (await api.ask(actor, SEARCH, input=search))["hits"]]


async def update(api: KnowledgeApi, actor: Principal, chunk: str, **values: object) -> Data:
    return await api.mutate(actor, "updateDocumentChunk", CHUNK, chunkId=chunk, **values)


async def chunk_of(api: KnowledgeApi, actor: Principal, document: str, search: str) -> str:
    (node,) = (await api.ask(actor, CHUNKS, id=document, search=search))["nodes"]
    return str(node["id"])


async def test_a_document_is_searched_for_a_text(api: KnowledgeApi, actor: Principal) -> None:
    _, document = await new_document(api, actor)
    everything = await texts(api, actor, document)
    assert len(everything) > 1
    assert [text for text in everything if "NOON" in text] == await texts(api, actor, document, "kettle boils at noon")
    assert [text for text in everything if "lamp" in text] == await texts(api, actor, document, "ＬＡＭＰ burns ALL")
    assert await texts(api, actor, document, "100%") == []
    assert await texts(api, actor, document, " ") == everything


async def test_an_edited_chunk_is_shown_at_once_and_found_by_its_new_words(api: KnowledgeApi, actor: Principal) -> None:
    base, document = await new_document(api, actor)
    chunk = await chunk_of(api, actor, document, "noon")
    edited = (await update(api, actor, chunk, text="The kettle boils at midnight.", keywords=["samovar"]))["chunk"]
    assert (edited["text"], edited["keywords"], edited["isEdited"]) == (
        "The kettle boils at midnight.",
        ["samovar"],
        True,
    )
    assert await find(api, actor, base, "kettle") == ["The kettle boils at midnight."]
    await api.ingestion.drain()
    for words in ("midnight", "samovar"):
        assert await find(api, actor, base, words) == ["The kettle boils at midnight."]
    assert await find(api, actor, base, "noon") == []
    again = (await update(api, actor, chunk, keywords=None))["chunk"]
    assert (again["text"], again["keywords"]) == ("The kettle boils at midnight.", [])
    await api.ingestion.drain()
    assert await find(api, actor, base, "samovar") == []


async def test_a_disabled_chunk_is_not_found_from_the_same_moment_on(api: KnowledgeApi, actor: Principal) -> None:
    base, document = await new_document(api, actor)
    chunk = await chunk_of(api, actor, document, "noon")
    before = await find(api, actor, base, "kettle")
    assert len(before) == 1
    await update(api, actor, chunk, isEnabled=False)
    assert await find(api, actor, base, "kettle") == []
    await api.ingestion.drain()
    assert await find(api, actor, base, "kettle") == []
    assert len(await texts(api, actor, document, "noon")) == 1
    await update(api, actor, chunk, isEnabled=None)
    await api.ingestion.drain()
    assert await find(api, actor, base, "kettle") == before


async def test_many_edits_end_as_the_last_one(api: KnowledgeApi, actor: Principal) -> None:
    base, document = await new_document(api, actor)
    chunk = await chunk_of(api, actor, document, "noon")
    for number in range(6):
        await update(api, actor, chunk, text=f"Word{number}.")
        if number % 2:
            await api.ingestion.interrupt_next(0.01)
    await api.ingestion.drain()
    assert [await find(api, actor, base, f"word{number}") for number in range(6)] == [*[[]] * 5, ["Word5."]]


async def test_only_those_who_may_change_the_base_edit(api: KnowledgeApi, actor: Principal, make: Factory) -> None:
    base, document = await new_document(api, actor)
    chunk = await chunk_of(api, actor, document, "noon")
    colleague, stranger = await make.principal(Role.MEMBER, beside=actor), await make.principal()
    for other in (colleague, stranger):
        assert (await update(api, other, chunk, text="Mine."))["code"] == "NOT_FOUND"
    await api.mutate(actor, "updateKnowledgeBase", "knowledgeBase { id }", knowledgeBaseId=base, access="TENANT_READ")
    assert (await update(api, colleague, chunk, text="Mine."))["code"] == "FORBIDDEN"
    for wrong in ({"text": None}, {"text": " "}, {"keywords": ["a"] * 21}, {"keywords": [""]}):
        assert (await update(api, actor, chunk, **wrong))["code"] == "BAD_USER_INPUT"
    await api.mutate(actor, "reprocessDocument", "document { id }", documentId=document)
    await api.ingestion.drain()
    assert (await update(api, actor, chunk, text="Too late."))["code"] == "NOT_FOUND"
