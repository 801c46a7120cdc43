"""The embedding model of a base is changed by GraphQL, and a change is estimated before."""

from collections.abc import AsyncGenerator
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


async def register(api: KnowledgeApi, actor: Principal, name: str, base_url: str) -> UUID:
    row = ChatModel(
        tenant_id=actor.tenant_id,
        name=name,
        kind=ModelKind.EMBEDDING,
        dialect=Dialect.OPENAI,
        base_url=base_url,
        model_name=name,
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
