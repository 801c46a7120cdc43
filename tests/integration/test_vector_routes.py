"""Routes of embedding and reranking models: what they accept, and that failover keeps an index as it is."""

from collections.abc import AsyncGenerator
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text

from nexent_gql.api.schema.relay import global_id, parse_id
from nexent_gql.db.session import Database
from nexent_gql.domains.knowledge.chunking import ChunkingOptions
from nexent_gql.domains.knowledge.errors import EmbeddingModelGoneError
from nexent_gql.domains.knowledge.jobs import RefreshSearchIndex
from nexent_gql.domains.knowledge.policy import DocumentSource, KnowledgeBaseDraft
from nexent_gql.domains.knowledge.searching import KnowledgeSearch, SearchAnswer
from nexent_gql.domains.knowledge.tables import DocumentState, DocumentVersion, EmbeddingChoice, SearchLimitationCode
from nexent_gql.domains.models.tables import ChatModel
from nexent_gql.jobs.enqueue import enqueue
from nexent_gql.jobs.schedule_tables import NO_TENANT
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.principal import Principal, Role
from nexent_gql.ports.llm import Dialect, ModelKind
from nexent_gql.ports.search_index import SearchMode
from tests.support.direct_graphql import Data
from tests.support.factory import Factory
from tests.support.fake_provider import FakeProvider, fake_provider
from tests.support.knowledge_api import KnowledgeApi, open_knowledge_api

ROUTE = "modelRoute { id kind isDefault dimensions }"
BASE = "id embeddingMode embeddingModel { id } embeddingRoute { name kind }"
EMBEDDING, RERANK = ModelKind.EMBEDDING, ModelKind.RERANK


async def no_wait(_seconds: float) -> None:
    """Wait for nothing between calls of a model."""


@pytest.fixture
async def one() -> AsyncGenerator[FakeProvider]:
    async with fake_provider() as provider:
        yield provider


@pytest.fixture
async def two() -> AsyncGenerator[FakeProvider]:
    async with fake_provider() as provider:
        yield provider


@pytest.fixture
async def api(database: Database, redis_url: str, tmp_path: Path) -> AsyncGenerator[KnowledgeApi]:
    async with open_knowledge_api(database, redis_url, tmp_path, sleep=no_wait) as api:
        yield api


@pytest.fixture
async def dev(make: Factory) -> Principal:
    return await make.principal(Role.DEVELOPER)


async def register(
    api: KnowledgeApi,
    actor: Principal,
    model: str,
    provider: FakeProvider | None = None,
    *,
    kind: ModelKind = EMBEDDING,
    dimensions: int | None = 8,
    provider_name: str | None = None,
) -> UUID:
    """Add a model of which a check found the length of the vectors; 4 texts are a batch."""
    row = ChatModel(
        tenant_id=actor.tenant_id,
        name=f"{model} {new_id()}",
        kind=kind,
        dialect=Dialect.OPENAI,
        base_url=provider.base_url if provider else "https://llm.example/v1",
        model_name=model,
        provider=provider_name,
        profile={"batch_size": 4},
        learned_profile={} if dimensions is None else {"dimensions": dimensions},
        created_by=actor.user_id,
    )
    async with api.ingestion.database.transaction(actor.tenant_id) as session:
        session.add(row)
    return row.id


def group(*model_ids: UUID) -> Data:
    return {"deployments": [{"modelId": global_id("Model", model_id)} for model_id in model_ids]}


async def create(api: KnowledgeApi, actor: Principal, *groups: Data, **fields: object) -> Data:
    input_ = {"name": "Main", "kind": "EMBEDDING", "groups": [*groups], **fields}
    return await api.mutate(actor, "createModelRoute", ROUTE, **input_)


async def route_of(api: KnowledgeApi, actor: Principal, *groups: Data, **fields: object) -> UUID:
    answer = await create(api, actor, *groups, **fields)
    assert answer["__typename"] == "CreateModelRoutePayload", answer
    route_id = parse_id(answer["modelRoute"]["id"], "ModelRoute")
    assert route_id is not None
    return route_id


async def base_with(api: KnowledgeApi, actor: Principal, choice: EmbeddingChoice) -> UUID:
    options = ChunkingOptions(max_words=20, overlap_words=0)
    return (await api.ingestion.bases.create(actor, KnowledgeBaseDraft("B", chunking=options, embedding=choice))).id


async def add(api: KnowledgeApi, actor: Principal, base_id: UUID, content: str) -> DocumentVersion:
    row = await api.ingestion.documents.add(actor, base_id, DocumentSource(text=content, name="Note"))
    await api.ingestion.drain()
    stored = await api.ingestion.get(actor, row.document.id)
    assert stored is not None
    return stored.version


async def search(api: KnowledgeApi, actor: Principal, base_id: UUID, *, is_reranked: bool = False) -> SearchAnswer:
    query = KnowledgeSearch("fish", (base_id,), mode=SearchMode.SEMANTIC, top_k=100, is_reranked=is_reranked)
    return await api.ingestion.searches.search(actor, query)


def long_text(paragraphs: int) -> str:
    return "\n\n".join(f"Fish number {number} " + "swims in the deep sea " * 3 for number in range(paragraphs))


async def test_an_ingestion_goes_on_with_another_deployment_in_the_same_index(
    api: KnowledgeApi, dev: Principal, one: FakeProvider, two: FakeProvider
) -> None:
    first = await register(api, dev, "bge-m3:latest", one)
    second = await register(api, dev, "BAAI/bge-m3", two)
    route_id = await route_of(api, dev, group(first), group(second))
    base_id = await base_with(api, dev, EmbeddingChoice(route_id=route_id))
    one.vectors.down_after = 4
    version = await add(api, dev, base_id, long_text(10))
    assert (version.state, version.limitation_code) == (DocumentState.READY, None)
    assert version.chunk_count == 10
    assert (len(one.vectors.texts), len(two.vectors.texts)) == (4, 6)
    assert (version.index_model, version.index_space) == ("ROUTE:bge-m3:8", "ROUTE:bge-m3:8:8")
    assert len((await search(api, dev, base_id)).passages) == 10
    one.vectors.down_after, two.vectors.is_down = None, True
    assert len((await search(api, dev, base_id)).passages) == 10
    async with api.ingestion.database.transaction(NO_TENANT) as session:
        await enqueue(session, NO_TENANT, RefreshSearchIndex(), key=str(new_id()))
    await api.ingestion.drain()
    questions = ["fish"]
    assert (one.vectors.texts[4:], two.vectors.texts[6:]) == (questions, questions)  # no passage again


async def test_vectors_of_another_length_are_refused_and_the_next_deployment_serves(
    api: KnowledgeApi, dev: Principal, one: FakeProvider, two: FakeProvider
) -> None:
    first, second = await register(api, dev, "m", one), await register(api, dev, "m", two, provider_name="FUTURE")
    route_id = await route_of(api, dev, group(first), group(second))
    one.vectors.dimensions = 4
    base_id = await base_with(api, dev, EmbeddingChoice(route_id=route_id))
    version = await add(api, dev, base_id, "A red fish.")
    assert (version.index_space, version.limitation_code) == ("ROUTE:m:8:8", None)
    assert two.vectors.texts == ["A red fish."]
    two.vectors.is_down = True
    version = await add(api, dev, base_id, "A blue fish.")
    assert (version.state, version.limitation_code) == (DocumentState.READY, SearchLimitationCode.EMBEDDING_FAILED)


async def test_models_whose_vectors_differ_are_refused(api: KnowledgeApi, dev: Principal) -> None:
    same, other_name, shorter, unknown = [
        await register(api, dev, name, dimensions=dimensions)
        for name, dimensions in (("m", 8), ("n", 8), ("m", 4), ("m", None))
    ]
    chat = await register(api, dev, "m", kind=ModelKind.CHAT)
    refusals = ((other_name, "ROUTE_MODELS_DIFFER"), (shorter, "ROUTE_MODELS_DIFFER"), (unknown, "DIMENSIONS_UNKNOWN"))
    for model_id, code in (*refusals, (chat, "MODEL_KIND_MISMATCH")):
        answer = await create(api, dev, group(same, model_id))
        assert (answer["__typename"], answer["code"]) == ("ValidationError", code)
    route = (await create(api, dev, group(same)))["modelRoute"]
    assert route == {"id": route["id"], "kind": "EMBEDDING", "isDefault": False, "dimensions": 8}
    for model_id, code in refusals:
        for groups in ([group(model_id)], [group(same, model_id)]):
            answer = await api.mutate(dev, "updateModelRoute", ROUTE, id=route["id"], groups=groups)
            assert (answer["code"], answer["path"][:2]) == (code, ["input", "groups"])


async def test_a_model_of_a_route_stays_the_same_model(api: KnowledgeApi, dev: Principal) -> None:
    model = await register(api, dev, "m")
    route_id = await route_of(api, dev, group(model))
    node = global_id("Model", model)
    answer = await api.mutate(dev, "updateModel", "model { id }", id=node, providerModel="n")
    assert (answer["code"], answer["path"]) == ("ROUTE_MODELS_DIFFER", ["input", "providerModel"])
    answer = await api.mutate(dev, "updateModel", "model { id }", id=node, profile={"dimensions": 4})
    assert (answer["code"], answer["path"]) == ("ROUTE_MODELS_DIFFER", ["input", "profile", "dimensions"])
    for fields in ({"providerModel": "owner/m"}, {"baseUrl": "https://other.example/v1"}):
        answer = await api.mutate(dev, "updateModel", "model { id }", id=node, **fields)
        assert answer["__typename"] == "UpdateModelPayload"
    await api.mutate(dev, "deleteModelRoute", "deletedId", id=global_id("ModelRoute", route_id))
    answer = await api.mutate(dev, "updateModel", "model { id }", id=node, providerModel="n")
    assert answer["__typename"] == "UpdateModelPayload"


async def test_a_knowledge_base_names_a_route_of_its_tenant_and_of_embedding_models(
    api: KnowledgeApi, dev: Principal, make: Factory
) -> None:
    route = global_id("ModelRoute", await route_of(api, dev, group(await register(api, dev, "m"))))
    scores = await register(api, dev, "r", kind=RERANK, dimensions=None)
    rerank = global_id("ModelRoute", await route_of(api, dev, group(scores), name="R", kind="RERANK"))
    stranger = await make.principal(Role.DEVELOPER)
    fields = f"knowledgeBase {{ {BASE} }}"
    for actor, id_, code in ((stranger, route, "NOT_FOUND"), (dev, rerank, "ROUTE_KIND_MISMATCH")):
        answer = await api.mutate(actor, "createKnowledgeBase", fields, name="B", embedding={"embeddingRouteId": id_})
        assert answer["code"] == code
    answer = await api.mutate(stranger, "setDefaultModelRoute", ROUTE, id=route)
    assert answer["code"] == "NOT_FOUND"
    base = (await api.mutate(dev, "createKnowledgeBase", fields, name="B", embedding={"embeddingRouteId": route}))[
        "knowledgeBase"
    ]
    named = {"embeddingMode": "ROUTE", "embeddingModel": None, "embeddingRoute": {"name": "Main", "kind": "EMBEDDING"}}
    assert base == {"id": base["id"], **named}
    answer = await api.mutate(dev, "deleteModelRoute", "deletedId", id=route)
    assert answer["code"] == "ROUTE_IN_USE"


async def test_the_embedding_of_a_base_changes_to_a_route(api: KnowledgeApi, dev: Principal, one: FakeProvider) -> None:
    route_id = await route_of(api, dev, group(await register(api, dev, "m", one)))
    scores = await register(api, dev, "r", one, kind=RERANK, dimensions=None)
    rerank_id = await route_of(api, dev, group(scores), name="R", kind="RERANK")
    base = global_id("KnowledgeBase", await base_with(api, dev, EmbeddingChoice()))
    fields = "knowledgeBase { embeddingModelChange { embeddingRoute { name } previousEmbeddingMode } }"
    for target, code in (
        ({"embeddingRouteId": global_id("ModelRoute", rerank_id)}, "ROUTE_KIND_MISMATCH"),
        ({"mode": "ROUTE"}, "BAD_USER_INPUT"),
    ):
        answer = await api.mutate(dev, "changeEmbeddingModel", fields, knowledgeBaseId=base, target=target)
        assert answer["code"] == code
    target = {"embeddingRouteId": global_id("ModelRoute", route_id)}
    answer = await api.mutate(dev, "changeEmbeddingModel", fields, knowledgeBaseId=base, target=target)
    assert answer["knowledgeBase"]["embeddingModelChange"] == {
        "embeddingRoute": {"name": "Main"},
        "previousEmbeddingMode": "TENANT_DEFAULT",
    }
    await api.ingestion.drain("clean_up_model_change")
    node = await api.ask(dev, f"query ($id: ID!) {{ knowledgeBase(id: $id) {{ {BASE} }} }}", id=base)
    assert (node["embeddingMode"], node["embeddingRoute"]["name"]) == ("ROUTE", "Main")


async def test_the_default_route_is_used_before_the_default_model(
    api: KnowledgeApi, dev: Principal, one: FakeProvider, two: FakeProvider
) -> None:
    alone = await register(api, dev, "alone", two)
    await api.mutate(dev, "setDefaultModel", "model { id }", id=global_id("Model", alone))
    route_id = await route_of(api, dev, group(await register(api, dev, "m", one)))
    answer = await api.mutate(dev, "setDefaultModelRoute", ROUTE, id=global_id("ModelRoute", route_id))
    assert answer["modelRoute"]["isDefault"] is True
    base_id = await base_with(api, dev, EmbeddingChoice())
    assert (await add(api, dev, base_id, "A red fish.")).index_model == "ROUTE:m:8"
    await api.mutate(dev, "setDefaultModel", "model { id }", id=global_id("Model", alone))
    assert (await add(api, dev, base_id, "A blue fish.")).index_model == "ROUTE:m:8"  # bases keep their default
    node = await api.ask(
        dev,
        f"query ($id: ID!) {{ knowledgeBase(id: $id) {{ {BASE} }} }}",
        id=global_id("KnowledgeBase", base_id),
    )
    assert (node["embeddingMode"], node["embeddingRoute"]["name"]) == ("TENANT_DEFAULT", "Main")
    other_id = await base_with(api, dev, EmbeddingChoice())
    assert str((await add(api, dev, other_id, "A blue fish.")).index_model).startswith("OPENAI:alone:")


async def test_another_reranking_model_of_the_default_route_serves(
    api: KnowledgeApi, dev: Principal, one: FakeProvider, two: FakeProvider
) -> None:
    vectors = await register(api, dev, "m", two)
    first, second = [await register(api, dev, name, at, kind=RERANK) for name, at in (("r", one), ("s", two))]
    route_id = await route_of(api, dev, group(first), group(second), kind="RERANK")
    await api.mutate(dev, "setDefaultModelRoute", ROUTE, id=global_id("ModelRoute", route_id))
    identity = await api.ingestion.reranker.identity(dev.tenant_id)
    base_id = await base_with(api, dev, EmbeddingChoice(vectors))
    await add(api, dev, base_id, long_text(3))
    one.vectors.is_down = True
    assert (await search(api, dev, base_id, is_reranked=True)).is_reranked
    assert len(two.requests_to("/rerank")) == 1
    assert identity == await api.ingestion.reranker.identity(dev.tenant_id)


async def test_a_route_that_is_gone_fails_a_change_back_to_it(
    api: KnowledgeApi, dev: Principal, one: FakeProvider
) -> None:
    model = await register(api, dev, "m", one)
    route_id = await route_of(api, dev, group(model))
    base_id = await base_with(api, dev, EmbeddingChoice(route_id=route_id))
    await add(api, dev, base_id, "A red fish.")
    await api.ingestion.model_changes.start(dev, base_id, EmbeddingChoice(model))
    await api.ingestion.drain("clean_up_model_change")
    await api.mutate(dev, "deleteModelRoute", "deletedId", id=global_id("ModelRoute", route_id))
    await api.ingestion.model_changes.revert(dev, base_id)
    await api.ingestion.drain("clean_up_model_change")
    change = (await api.ingestion.model_changes.newest(dev, [base_id]))[base_id].change
    assert change.code == EmbeddingModelGoneError.code
    assert len((await search(api, dev, base_id)).passages) == 1


async def test_policies_keep_routes_apart(api: KnowledgeApi, dev: Principal, make: Factory, database: Database) -> None:
    await route_of(api, dev, group(await register(api, dev, "m")))
    counts: list[int] = []
    for actor in (dev, await make.principal(Role.DEVELOPER)):
        async with database.read(actor.tenant_id) as session:
            counts.append((await session.execute(text("SELECT count(*) FROM model_route"))).scalar_one())
    assert counts == [1, 0]
