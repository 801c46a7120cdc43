"""Many documents at once: batches with one status, and reprocessing by filter."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from nexent_gql.db.session import Database
from nexent_gql.kernel.principal import Principal, Role
from tests.support.direct_graphql import Data
from tests.support.factory import Factory
from tests.support.knowledge_api import KnowledgeApi, open_knowledge_api

BATCH = """id state documentCount queuedCount processingCount readyCount failedCount cancelledCount deletedCount"""
QUERY = f"query ($id: ID!) {{ documentBatch(id: $id) {{ {BATCH} }} }}"
DOCUMENTS = """query ($base: ID!, $batch: ID) {
    documents(knowledgeBaseId: $base, batchId: $batch) { totalCount nodes { id name version state } } }"""


@pytest.fixture
async def api(database: Database, redis_url: str, tmp_path: Path) -> AsyncGenerator[KnowledgeApi]:
    async with open_knowledge_api(database, redis_url, tmp_path) as api:
        yield api


@pytest.fixture
async def actor(make: Factory) -> Principal:
    return await make.principal()


def notes(*contents: str) -> list[Data]:
    return [{"text": {"name": content, "content": content}} for content in contents]


async def add(
    api: KnowledgeApi, actor: Principal, base: str, sources: list[Data], client_id: str | None = None
) -> Data:
    return await api.mutate(
        actor, "addDocuments", f"batch {{ {BATCH} }}", knowledgeBaseId=base, sources=sources, clientId=client_id
    )


async def test_a_batch_has_one_status(api: KnowledgeApi, actor: Principal) -> None:
    base = await api.new_base(actor)
    await api.add_text(actor, base, "Not of the batch.")
    empty = {"file": {"fileId": await api.upload(actor, "empty.txt", b"  ")}}
    batch = (await add(api, actor, base, [*notes("one", "two", "three"), empty]))["batch"]
    assert (batch["state"], batch["documentCount"], batch["queuedCount"]) == ("PROCESSING", 4, 4)
    listed = await api.ask(actor, DOCUMENTS, base=base, batch=batch["id"])
    assert listed["totalCount"] == 4
    by_name = {node["name"]: node["id"] for node in listed["nodes"]}
    await api.mutate(actor, "cancelDocument", "document { id }", documentId=by_name["one"])
    await api.ingestion.drain()
    status = await api.ask(actor, QUERY, id=batch["id"])
    assert (status["state"], status["readyCount"], status["failedCount"], status["cancelledCount"]) == (
        "PARTIAL",
        2,
        1,
        1,
    )
    for name in ("one", "empty.txt"):
        await api.mutate(actor, "deleteDocument", "deletedId", documentId=by_name[name])
    status = await api.ask(actor, QUERY, id=batch["id"])
    assert (status["state"], status["readyCount"], status["deletedCount"]) == ("READY", 2, 2)


async def test_a_batch_is_added_whole_or_not_at_all(api: KnowledgeApi, actor: Principal, make: Factory) -> None:
    base = await api.new_base(actor)
    stranger = await make.principal(Role.MEMBER, beside=actor)
    foreign = {"file": {"fileId": await api.upload(stranger, "a.txt", b"Text.")}}
    assert (await add(api, actor, base, [*notes("one"), foreign]))["code"] == "NOT_FOUND"
    assert (await add(api, actor, base, notes("one", " ")))["code"] == "BAD_USER_INPUT"
    assert (await add(api, actor, base, []))["code"] == "BAD_USER_INPUT"
    assert (await add(api, actor, base, notes(*map(str, range(101)))))["code"] == "BAD_USER_INPUT"
    assert (await api.ask(actor, DOCUMENTS, base=base, batch=None))["totalCount"] == 0


async def test_a_repeated_call_adds_one_batch(api: KnowledgeApi, actor: Principal) -> None:
    base = await api.new_base(actor)
    first = await add(api, actor, base, notes("one", "two"), "key")
    again = await add(api, actor, base, notes("one", "two"), "key")
    assert first["batch"]["id"] == again["batch"]["id"]
    assert (await add(api, actor, base, notes("one", "three"), "key"))["code"] == "CLIENT_ID_REUSED"
    assert (await api.ask(actor, DOCUMENTS, base=base, batch=None))["totalCount"] == 2


async def test_batches_of_bases_that_are_not_shared_do_not_exist(
    api: KnowledgeApi, actor: Principal, make: Factory
) -> None:
    base = await api.new_base(actor)
    batch = (await add(api, actor, base, notes("one")))["batch"]["id"]
    for stranger in (await make.principal(Role.MEMBER, beside=actor), await make.principal()):
        assert await api.ask(stranger, QUERY, id=batch) is None
        refused = await api.mutate(stranger, "reprocessDocuments", "documentCount", knowledgeBaseId=base)
        assert refused["code"] == "NOT_FOUND"
    await api.mutate(actor, "deleteKnowledgeBase", "deletedId", knowledgeBaseId=base)
    assert await api.ask(actor, QUERY, id=batch) is None
    await api.ingestion.drain()
    assert await api.ingestion.count(actor.tenant_id, "document_batch") == 0


async def versions(api: KnowledgeApi, actor: Principal, base: str) -> dict[str, tuple[int, str]]:
    listed = await api.ask(actor, DOCUMENTS, base=base, batch=None)
    return {node["name"]: (node["version"], node["state"]) for node in listed["nodes"]}


async def reprocess(api: KnowledgeApi, actor: Principal, base: str, **conditions: object) -> int:
    payload = await api.mutate(actor, "reprocessDocuments", "documentCount", knowledgeBaseId=base, **conditions)
    return int(payload["documentCount"])


@pytest.mark.timeout(180)
async def test_documents_are_reprocessed_by_filter(api: KnowledgeApi, actor: Principal) -> None:
    base = await api.new_base(actor)
    empty = {"file": {"fileId": await api.upload(actor, "empty.txt", b"  ")}}
    await add(api, actor, base, [*notes(*(f"note {number}" for number in range(22))), empty])
    await api.ingestion.drain()
    assert await reprocess(api, actor, base, states=["FAILED"], codes=["EMPTY_DOCUMENT"]) == 1
    assert await reprocess(api, actor, base, states=["CANCELLED"]) == 0
    await api.ingestion.drain()
    after = await versions(api, actor, base)
    assert after.pop("empty.txt") == (2, "FAILED")
    assert set(after.values()) == {(1, "READY")}
    assert await reprocess(api, actor, base, states=None, codes=[]) == 23  # more than one batch of the job
    await api.ingestion.drain()
    after = await versions(api, actor, base)
    assert after.pop("empty.txt") == (3, "FAILED")
    assert set(after.values()) == {(2, "READY")}
    assert len(await api.ingestion.chunks(actor.tenant_id)) == 22


async def test_reprocessing_again_and_again_ends(api: KnowledgeApi, actor: Principal) -> None:
    base = await api.new_base(actor)
    await add(api, actor, base, notes("one", "two", "three"))
    for _ in range(3):
        await reprocess(api, actor, base)
        await api.ingestion.interrupt_next(0.01)
    await api.ingestion.drain()
    after = await versions(api, actor, base)
    assert {state for _, state in after.values()} == {"READY"}
    assert sorted(chunk.content for chunk in await api.ingestion.chunks(actor.tenant_id)) == ["one", "three", "two"]
