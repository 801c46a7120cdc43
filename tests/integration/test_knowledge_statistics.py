"""How large knowledge bases are, and where files are used, by GraphQL."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from nexent_gql.db.session import Database
from nexent_gql.kernel.principal import Principal, Role
from tests.support.factory import Factory
from tests.support.knowledge_api import KnowledgeApi, open_knowledge_api
from tests.support.statements import statements

STATISTICS = """
    documentCount queuedCount processingCount readyCount failedCount cancelledCount chunkCount charCount sizeBytes
    lastChangedAt
"""
ONE = f"query ($id: ID!) {{ knowledgeBase(id: $id) {{ chunkCount statistics {{ {STATISTICS} }} }} }}"
USES = "query ($id: ID!) { file(id: $id) { usedBy { id knowledgeBase { name } } } }"


@pytest.fixture
async def api(database: Database, redis_url: str, tmp_path: Path) -> AsyncGenerator[KnowledgeApi]:
    async with open_knowledge_api(database, redis_url, tmp_path) as api:
        yield api


@pytest.fixture
async def actor(make: Factory) -> Principal:
    return await make.principal()


async def test_statistics_count_what_is_in_a_base(api: KnowledgeApi, actor: Principal) -> None:
    base = await api.new_base(actor)
    empty = (await api.ask(actor, ONE, id=base))["statistics"]
    assert (empty["documentCount"], empty["sizeBytes"], empty["lastChangedAt"]) == (0, 0, None)
    text = "Das Öl ist heiß."
    await api.add_text(actor, base, text)
    deleted = await api.add_text(actor, base, "A text that is deleted.")
    await api.ingestion.drain()
    cancelled = await api.add_text(actor, base, "A text that is cancelled.")
    await api.mutate(actor, "cancelDocument", "document { id }", documentId=cancelled)
    await api.mutate(actor, "deleteDocument", "deletedId", documentId=deleted)
    waiting = await api.add_text(actor, base, "A text that waits.")
    row = await api.ask(actor, ONE, id=base)
    statistics = row["statistics"]
    counts = {name: value for name, value in statistics.items() if name.endswith("Count") and name != "charCount"}
    assert counts == {
        "documentCount": 3,
        "queuedCount": 1,
        "processingCount": 0,
        "readyCount": 1,
        "failedCount": 0,
        "cancelledCount": 1,
        "chunkCount": row["chunkCount"],
    }
    assert statistics["charCount"] == len(text)
    assert statistics["sizeBytes"] == len(text.encode())
    document = await api.ask(actor, "query ($id: ID!) { document(id: $id) { updatedAt } }", id=waiting)
    assert statistics["lastChangedAt"] == document["updatedAt"]


async def test_a_file_names_the_documents_that_its_owner_can_read(
    api: KnowledgeApi, actor: Principal, make: Factory
) -> None:
    colleague = await make.principal(Role.MEMBER, beside=actor)
    file = await api.upload(colleague, "guide.md", b"# Guide\n\nOpen the page.")
    own = await api.new_base(colleague, name="Own")
    shared = await api.new_base(actor, name="Shared", access="TENANT_WRITE")
    for base in (own, shared):
        source = {"file": {"fileId": file}}
        await api.mutate(colleague, "addDocument", "document { id }", knowledgeBaseId=base, source=source)
    await api.ingestion.drain()

    async def names() -> list[str]:
        return [use["knowledgeBase"]["name"] for use in (await api.ask(colleague, USES, id=file))["usedBy"]]

    assert await names() == ["Shared", "Own"]
    await api.mutate(actor, "updateKnowledgeBase", "knowledgeBase { id }", knowledgeBaseId=shared, access="PRIVATE")
    assert await names() == ["Own"]
    (use,) = (await api.ask(colleague, USES, id=file))["usedBy"]
    await api.mutate(colleague, "deleteDocument", "deletedId", documentId=use["id"])
    assert await names() == []


async def test_statistics_and_uses_take_a_fixed_number_of_statements(api: KnowledgeApi, actor: Principal) -> None:
    async def count(query: str) -> int:
        with statements(api.ingestion.database) as queries:
            await api.ask(actor, query)
        return len(queries)

    async def add(number: int) -> None:
        file = await api.upload(actor, f"{number}.md", f"# Guide {number}".encode())
        source = {"file": {"fileId": file}}
        base = await api.new_base(actor)
        await api.mutate(actor, "addDocument", "document { id }", knowledgeBaseId=base, source=source)

    bases = f"{{ knowledgeBases {{ nodes {{ statistics {{ {STATISTICS} }} }} }} }}"
    files = "{ files { nodes { name usedBy { id knowledgeBase { name } } } } }"
    await add(0)
    few = [await count(bases), await count(files)]
    for number in range(1, 4):
        await add(number)
    assert [await count(bases), await count(files)] == few
