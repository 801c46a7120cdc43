"""The embedding model of a base is changed by GraphQL, and a change is estimated before."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from uuid import UUID

import pytest

from nexent_gql.api.schema.relay import global_id
from nexent_gql.db.session import Database
from nexent_gql.domains.models.tables import ChatModel, ModelCall
from nexent_gql.kernel.principal import Principal, Role
from nexent_gql.ports.llm import Dialect, ModelKind
from tests.support.factory import Factory
from tests.support.fake_provider import FakeProvider, fake_provider
from tests.support.fake_vectors import Fault
from tests.support.knowledge_api import KnowledgeApi, open_knowledge_api

CHANGE = """
    embeddingMode embeddingModel { name }
    embeddingModelChange {
      state documentCount embeddedDocumentCount embeddingMode previousEmbeddingMode revertibleUntil switchedAt
      embeddingModel { name } previousEmbeddingModel { name } problem { code }
    }
"""
ONE = f"query ($id: ID!) {{ knowledgeBase(id: $id) {{ {CHANGE} }} }}"
ESTIMATE = """
    query ($id: ID!, $target: EmbeddingTargetInput!) {
      embeddingModelChangeEstimate(knowledgeBaseId: $id, target: $target) {
        documentCount chunkCount tokenCount costUsd durationSeconds
      }
    }
"""
CREATED = "knowledgeBase { embeddingMode searchLimitation { code } }"
CURSOR = "query ($id: ID!) { knowledgeBase(id: $id) { eventsCursor } }"
EVENTS = """subscription ($id: ID!, $after: String) { documentEvents(knowledgeBaseId: $id, after: $after) {
    __typename ... on EmbeddingModelChangeUpdated {
      changeState documentCount embeddedDocumentCount changeProblem { code } knowledgeBase { embeddingMode } } } }"""
REFUSED = Fault(401, {"error": {"message": "This key is no longer valid."}})
PAYLOAD = f"knowledgeBase {{ {CHANGE} }}"


@pytest.fixture
async def api(database: Database, redis_url: str, tmp_path: Path) -> AsyncGenerator[KnowledgeApi]:
    async with open_knowledge_api(database, redis_url, tmp_path) as api:
        yield api


@pytest.fixture
async def provider() -> AsyncGenerator[FakeProvider]:
    async with fake_provider() as provider:
        yield provider


@pytest.fixture
async def actor(make: Factory) -> Principal:
    return await make.principal()


async def register(api: KnowledgeApi, actor: Principal, name: str, base_url: str, *, is_default: bool = False) -> UUID:
    row = ChatModel(
        tenant_id=actor.tenant_id,
        name=name,
        kind=ModelKind.EMBEDDING,
        dialect=Dialect.OPENAI,
        base_url=base_url,
        model_name=name,
        is_other_default=is_default,
        created_by=actor.user_id,
    )
    async with api.ingestion.database.transaction(actor.tenant_id) as session:
        session.add(row)
    return row.id


async def test_a_model_is_changed_and_changed_back(api: KnowledgeApi, actor: Principal, provider: FakeProvider) -> None:
    model = str(global_id("Model", await register(api, actor, "one", provider.base_url)))
    base = await api.new_base(actor)
    row = await api.ask(actor, ONE, id=base)
    assert row == {"embeddingMode": "TENANT_DEFAULT", "embeddingModel": None, "embeddingModelChange": None}
    await api.add_text(actor, base, "A red fish.")
    await api.ingestion.drain()
    target = {"embeddingModelId": model}
    answer = await api.mutate(actor, "changeEmbeddingModel", PAYLOAD, knowledgeBaseId=base, target=target)
    change = answer["knowledgeBase"]["embeddingModelChange"]
    assert (change["state"], change["documentCount"], change["embeddedDocumentCount"]) == ("EMBEDDING", 1, 0)
    assert answer["knowledgeBase"]["embeddingMode"] == "TENANT_DEFAULT"
    refused = await api.mutate(actor, "changeEmbeddingModel", PAYLOAD, knowledgeBaseId=base, target={"mode": "NONE"})
    assert refused["code"] == "EMBEDDING_MODEL_CHANGE_RUNNING"
    await api.ingestion.drain("clean_up_model_change")
    row = await api.ask(actor, ONE, id=base)
    change = row["embeddingModelChange"]
    assert (row["embeddingMode"], row["embeddingModel"]) == ("MODEL", {"name": "one"})
    assert (change["state"], change["embeddingModel"], change["previousEmbeddingModel"]) == (
        "SWITCHED",
        {"name": "one"},
        None,
    )
    assert change["previousEmbeddingMode"] == "TENANT_DEFAULT"
    assert change["switchedAt"] < change["revertibleUntil"]
    await api.mutate(actor, "revertEmbeddingModelChange", PAYLOAD, knowledgeBaseId=base)
    await api.ingestion.drain("clean_up_model_change")
    row = await api.ask(actor, ONE, id=base)
    assert (row["embeddingMode"], row["embeddingModelChange"]["state"]) == ("TENANT_DEFAULT", "REVERTED")


async def test_a_change_sends_events(api: KnowledgeApi, actor: Principal, provider: FakeProvider) -> None:
    model = str(global_id("Model", await register(api, actor, "one", provider.base_url)))
    base = await api.new_base(actor)
    for number in range(5):
        await api.add_text(actor, base, f"A red fish {number}.")
    await api.ingestion.drain()
    start = (await api.ask(actor, CURSOR, id=base))["eventsCursor"]
    target = {"embeddingModelId": model}
    await api.mutate(actor, "changeEmbeddingModel", PAYLOAD, knowledgeBaseId=base, target=target)
    await api.ingestion.drain("clean_up_model_change")
    await api.mutate(actor, "revertEmbeddingModelChange", PAYLOAD, knowledgeBaseId=base)
    await api.mutate(actor, "cancelEmbeddingModelChange", PAYLOAD, knowledgeBaseId=base)
    await api.mutate(actor, "revertEmbeddingModelChange", PAYLOAD, knowledgeBaseId=base)
    await api.ingestion.drain()
    provider.vectors.faults.append(REFUSED)
    other = str(global_id("Model", await register(api, actor, "two", provider.base_url)))
    await api.mutate(actor, "changeEmbeddingModel", PAYLOAD, knowledgeBaseId=base, target={"embeddingModelId": other})
    await api.ingestion.drain("clean_up_model_change")
    async with aclosing(api.subscribe(actor, EVENTS, id=base, after=start)) as stream, asyncio.timeout(60):
        events = [(await anext(stream)).one]
        while events[-1]["changeState"] != "FAILED":
            events.append((await anext(stream)).one)
    assert {event["__typename"] for event in events} == {"EmbeddingModelChangeUpdated"}
    steps = [(event["changeState"], event["documentCount"], event["embeddedDocumentCount"]) for event in events]
    if steps[2] == ("EMBEDDING", 5, 5):  # a slow machine has time for another event of progress
        del steps[2]
    assert steps == [
        ("EMBEDDING", 5, 0),
        ("EMBEDDING", 5, 4),
        ("SWITCHED", 5, 5),
        ("REVERTING", 5, 5),
        ("SWITCHED", 5, 5),
        ("REVERTING", 5, 5),
        ("REVERTED", 5, 5),
        ("EMBEDDING", 5, 0),
        ("FAILED", 5, 5),
    ]
    assert events[-1]["changeProblem"]["code"] == "MODEL_KEY_REFUSED"
    assert events[0]["knowledgeBase"] == {"embeddingMode": "TENANT_DEFAULT"}


async def test_a_base_starts_with_any_embedding(api: KnowledgeApi, actor: Principal, provider: FakeProvider) -> None:
    model = str(global_id("Model", await register(api, actor, "one", provider.base_url)))
    for embedding, mode, limitation in (
        ({"mode": "NONE"}, "NONE", "KEYWORD_ONLY"),
        ({"mode": "TENANT_DEFAULT"}, "TENANT_DEFAULT", "NO_EMBEDDING_MODEL"),
        ({"embeddingModelId": model}, "MODEL", None),
    ):
        answer = await api.mutate(actor, "createKnowledgeBase", CREATED, name="Manuals", embedding=embedding)
        base = answer["knowledgeBase"]
        assert base["embeddingMode"] == mode
        assert base["searchLimitation"] == (limitation and {"code": limitation})
    answer = await api.mutate(actor, "createKnowledgeBase", CREATED, name="Manuals", embedding={"mode": "MODEL"})
    assert (answer["__typename"], answer["path"]) == ("ValidationError", ["input", "embedding", "mode"])
    both = {"embedding": {"mode": "NONE"}, "embeddingModelId": model}
    answer = await api.mutate(actor, "createKnowledgeBase", CREATED, name="Manuals", **both)
    assert (answer["__typename"], answer["path"]) == ("ValidationError", ["input", "embedding"])


async def test_a_base_without_a_model_never_calls_one(
    api: KnowledgeApi, actor: Principal, provider: FakeProvider
) -> None:
    await register(api, actor, "one", provider.base_url, is_default=True)
    answer = await api.mutate(
        actor, "createKnowledgeBase", "knowledgeBase { id }", name="Manuals", embedding={"mode": "NONE"}
    )
    base = answer["knowledgeBase"]["id"]
    await api.add_text(actor, base, "A red fish.")
    await api.ingestion.drain()
    row = await api.ask(actor, "query ($id: ID!) { knowledgeBase(id: $id) { searchLimitation { code } } }", id=base)
    assert row["searchLimitation"] == {"code": "KEYWORD_ONLY"}
    assert provider.vectors.texts == []


async def test_a_target_is_checked(api: KnowledgeApi, actor: Principal, make: Factory) -> None:
    base = await api.new_base(actor)
    for target, path in (
        ({"mode": "MODEL"}, ["input", "target", "mode"]),
        ({"mode": "TENANT_DEFAULT"}, ["input", "target"]),
    ):
        answer = await api.mutate(actor, "changeEmbeddingModel", PAYLOAD, knowledgeBaseId=base, target=target)
        assert (answer["__typename"], answer["path"]) == ("ValidationError", path)
    missing = await api.mutate(actor, "cancelEmbeddingModelChange", PAYLOAD, knowledgeBaseId=base)
    assert missing["__typename"] == "NotFoundError"
    stranger = await make.principal()
    for name in ("cancelEmbeddingModelChange", "revertEmbeddingModelChange"):
        assert (await api.mutate(stranger, name, PAYLOAD, knowledgeBaseId=base))["__typename"] == "NotFoundError"


async def test_a_change_is_estimated(api: KnowledgeApi, actor: Principal, make: Factory) -> None:
    model_id = await register(api, actor, "text-embedding-3-large", "https://api.openai.com/v1")
    base = await api.new_base(actor)
    await api.add_text(actor, base, "fish " * 100)
    await api.ingestion.drain()
    target = {"embeddingModelId": str(global_id("Model", model_id))}
    estimate = await api.ask(actor, ESTIMATE, id=base, target=target)
    assert estimate == {
        "documentCount": 1,
        "chunkCount": 1,
        "tokenCount": 125,
        "costUsd": "0.00001625",
        "durationSeconds": None,
    }
    call = ModelCall(
        tenant_id=actor.tenant_id,
        user_id=actor.user_id,
        model_id=model_id,
        provider="OPENAI",
        model_name="text-embedding-3-large",
        purpose="INGESTION",
        input_tokens=1_000,
        latency_ms=500,
    )
    async with api.ingestion.database.transaction(actor.tenant_id) as session:
        session.add(call)
    assert (await api.ask(actor, ESTIMATE, id=base, target=target))["durationSeconds"] == 125 / 2_000
    none = await api.ask(actor, ESTIMATE, id=base, target={"mode": "NONE"})
    assert (none["chunkCount"], none["costUsd"], none["durationSeconds"]) == (0, "0", 0)
    member = await make.principal(Role.MEMBER, beside=actor)
    assert (await api.answer(member, ESTIMATE, id=base, target=target)).one is None
