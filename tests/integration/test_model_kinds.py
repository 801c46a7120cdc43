"""Embedding and reranking models beside chat models: registered, checked, used as defaults, and kept from agents."""

from collections.abc import AsyncGenerator

import pytest
from sqlmodel import col, select

from nexent_gql.adapters.embedding_metering import MeteredEmbeddingModels
from nexent_gql.adapters.embedding_trials import VectorDialects
from nexent_gql.adapters.embeddings_local import LocalVectorModels
from nexent_gql.adapters.llm_accounting import CallAccounts
from nexent_gql.adapters.llm_dialects import open_vector_dialects
from nexent_gql.db.session import Database
from nexent_gql.domains.models.errors import ModelKindMismatchError, NoDefaultModelError
from nexent_gql.domains.models.ledger import CallLedger
from nexent_gql.domains.models.prices import PriceTable
from nexent_gql.domains.models.tables import ChatModel, ModelCall
from nexent_gql.kernel.clock import utc_now
from nexent_gql.kernel.principal import Principal, Role
from nexent_gql.ports.embeddings import EmbeddingRequest
from nexent_gql.ports.llm import CallAttribution, ModelKind, ModelRequestRefusedError
from nexent_gql.ports.rerank import RerankRequest
from tests.support.direct_graphql import Data
from tests.support.factory import Factory
from tests.support.fake_provider import FakeProvider, fake_provider
from tests.support.llm import plain_client
from tests.support.service_harness import ServiceHarness, harness

FIELDS = "id kind name isDefault provider profile { dimensions maxInputTokens batchSize tools } lastCheck { ok code }"
EMBEDDING = {"kind": "EMBEDDING", "name": "Vectors", "provider": "COMPATIBLE", "providerModel": "m"}
MODELS = f"query ($kind: ModelKind) {{ models(kind: $kind) {{ totalCount edges {{ node {{ {FIELDS} }} }} }} }}"


@pytest.fixture
async def app(database: Database) -> AsyncGenerator[ServiceHarness]:
    async with harness(database) as app:
        yield app


@pytest.fixture
async def dev(make: Factory) -> Principal:
    return await make.principal(Role.DEVELOPER)


@pytest.fixture
async def provider() -> AsyncGenerator[FakeProvider]:
    async with fake_provider() as provider:
        yield provider


async def register(app: ServiceHarness, actor: Principal, /, **fields: object) -> Data:
    fields = {"baseUrl": "https://llm.example/v1", **fields}
    payload = await app.mutate(actor, "registerModel", f"{{ model {{ {FIELDS} }} }}", **fields)
    assert payload["__typename"] == "RegisterModelPayload", payload
    return payload["model"]


async def test_each_kind_has_a_default_of_its_own(app: ServiceHarness, dev: Principal) -> None:
    chat = await register(app, dev, name="Chat", provider="COMPATIBLE", providerModel="c")
    first = await register(app, dev, **EMBEDDING)
    second = await register(app, dev, **EMBEDDING | {"name": "Others"})
    rerank = await register(app, dev, **EMBEDDING | {"name": "Scores", "kind": "RERANK"})
    assert [model["isDefault"] for model in (chat, first, second, rerank)] == [True, True, False, True]
    for model in (second, second):  # twice: the second time it is the default already
        payload = await app.mutate(dev, "setDefaultModel", "{ model { isDefault } }", id=model["id"])
        assert payload["model"]["isDefault"]
    models = (await app.ask(dev, MODELS)).nodes
    assert {model["name"]: model["isDefault"] for model in models} == {
        "Chat": True,
        "Vectors": False,
        "Others": True,
        "Scores": True,
    }
    async with app.database.read(dev.tenant_id) as session:  # what releases without kinds read
        assert list(await session.scalars(select(col(ChatModel.name)).where(col(ChatModel.is_default)))) == ["Chat"]
    page = await app.ask(dev, MODELS, kind="EMBEDDING")
    assert ([model["name"] for model in page.nodes], page.one["totalCount"]) == (["Others", "Vectors"], 2)
    assert (await app.mutate(dev, "deleteModel", "{ deletedId }", id=second["id"]))["code"] == "MODEL_IS_DEFAULT"
    assert (await app.mutate(dev, "deleteModel", "{ deletedId }", id=rerank["id"]))["deletedId"] == rerank["id"]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"provider": "ANTHROPIC", "baseUrl": None}, ["kind"]),
        ({"provider": "OFFLINE", "baseUrl": None}, ["kind"]),
        ({"provider": "COHERE", "baseUrl": None}, ["kind"]),
        ({"provider": "LOCAL", "kind": "CHAT", "baseUrl": None}, ["kind"]),
        ({"provider": "LOCAL", "baseUrl": "http://localhost:1/v1"}, ["baseUrl"]),
        ({"dialect": "RESPONSES"}, ["dialect"]),
        ({"profile": {"dimensions": 0}}, ["profile", "dimensions"]),
        ({"profile": {"dimensions": 16_001}}, ["profile", "dimensions"]),
        ({"profile": {"batchSize": 2_049}}, ["profile", "batchSize"]),
        ({"profile": {"maxInputTokens": 0}}, ["profile", "maxInputTokens"]),
    ],
)
async def test_what_makes_no_sense_is_refused(
    app: ServiceHarness, dev: Principal, fields: dict[str, object], path: list[str]
) -> None:
    base = {"baseUrl": "https://llm.example/v1", **EMBEDDING}
    payload = await app.mutate(dev, "registerModel", "{ model { id } }", **base | fields)
    assert (payload["__typename"], payload["path"]) == ("ValidationError", ["input", *path])


async def test_an_agent_takes_chat_models_only(app: ServiceHarness, dev: Principal) -> None:
    vectors = await register(app, dev, **EMBEDDING)
    chat = await register(app, dev, name="Chat", provider="COMPATIBLE", providerModel="c")
    draft = {"name": "A", "kind": "TOOL_CALLING"}
    refused = await app.mutate(dev, "createAgent", "{ agent { id } }", **draft, modelId=vectors["id"])
    assert (refused["__typename"], refused["code"], refused["path"]) == (
        "ValidationError",
        "MODEL_KIND_MISMATCH",
        ["input", "modelId"],
    )
    agent = (await app.mutate(dev, "createAgent", "{ agent { id } }", **draft, modelId=chat["id"]))["agent"]
    refused = await app.mutate(dev, "updateAgent", "{ agent { id } }", id=agent["id"], modelId=vectors["id"])
    assert refused["code"] == "MODEL_KIND_MISMATCH"


async def test_a_check_learns_the_length_of_vectors(
    app: ServiceHarness, dev: Principal, provider: FakeProvider
) -> None:
    provider.script("m")
    provider.context_lengths["m"] = 512
    model = await register(app, dev, **EMBEDDING, baseUrl=provider.base_url)
    assert model["profile"]["dimensions"] is None
    payload = await app.mutate(dev, "checkModel", f"{{ model {{ {FIELDS} }} }}", id=model["id"], withProfile=True)
    assert payload["model"]["lastCheck"] == {"ok": True, "code": None}
    assert payload["model"]["profile"]["dimensions"] == 8
    assert payload["model"]["profile"]["batchSize"] == 64
    assert payload["model"]["profile"]["maxInputTokens"] == 512
    provider.key = "secret"
    payload = await app.mutate(dev, "checkModel", f"{{ model {{ {FIELDS} }} }}", id=model["id"])
    assert payload["model"]["lastCheck"] == {"ok": False, "code": "MODEL_KEY_REFUSED"}
    provider.key = None
    rerank = await register(app, dev, **EMBEDDING | {"name": "R", "kind": "RERANK"}, baseUrl=provider.base_url)
    payload = await app.mutate(dev, "checkModel", f"{{ model {{ {FIELDS} }} }}", id=rerank["id"])
    assert payload["model"]["lastCheck"] == {"ok": True, "code": None}


async def test_several_models_of_a_kind_are_registered_at_once(app: ServiceHarness, dev: Principal) -> None:
    payload = await app.mutate(
        dev,
        "registerModels",
        f"{{ models {{ {FIELDS} }} }}",
        provider="COMPATIBLE",
        baseUrl="https://llm.example/v1",
        kind="EMBEDDING",
        models=[{"providerModel": "a"}, {"providerModel": "b"}],
    )
    assert [(model["kind"], model["isDefault"]) for model in payload["models"]] == [
        ("EMBEDDING", True),
        ("EMBEDDING", False),
    ]


async def test_an_endpoint_is_of_the_kind_that_is_required(
    app: ServiceHarness, dev: Principal, database: Database, make: Factory
) -> None:
    other = await make.principal(Role.DEVELOPER)
    await register(app, dev, **EMBEDDING, profile={"dimensions": 4})
    chat = await make.model(dev)
    async with database.read(dev.tenant_id) as session:
        endpoint = await app.models.endpoint(session, dev.tenant_id, None, ModelKind.EMBEDDING)
        assert (endpoint.kind, endpoint.dimensions) == (ModelKind.EMBEDDING, 4)
        with pytest.raises(ModelKindMismatchError):
            await app.models.endpoint(session, dev.tenant_id, chat.id, ModelKind.EMBEDDING)
    async with database.read(other.tenant_id) as session:
        with pytest.raises(NoDefaultModelError, match="embedding"):
            await app.models.endpoint(session, other.tenant_id, None, ModelKind.EMBEDDING)


async def test_calls_of_every_kind_are_accounted_for(
    app: ServiceHarness, dev: Principal, database: Database, provider: FakeProvider
) -> None:
    await register(app, dev, **EMBEDDING, baseUrl=provider.base_url)
    async with database.read(dev.tenant_id) as session:
        endpoint = await app.models.endpoint(session, dev.tenant_id, None, ModelKind.EMBEDDING)
    attribution = CallAttribution(dev.tenant_id, dev.user_id, "INGESTION")
    async with plain_client() as client, LocalVectorModels() as local:
        accounts = CallAccounts(CallLedger(database, PriceTable.load(), utc_now), utc_now)
        models = MeteredEmbeddingModels(VectorDialects(open_vector_dialects(client, local)), accounts)
        await models.embed(endpoint, EmbeddingRequest(("two words",), attribution=attribution))
        await models.rerank(endpoint, RerankRequest("q", ("a b c",), attribution=attribution))
        provider.vectors.max_batch = 0
        with pytest.raises(ModelRequestRefusedError):
            await models.embed(endpoint, EmbeddingRequest(("refused",), attribution=attribution))
        provider.vectors.max_batch = 64
        await models.embed(endpoint, EmbeddingRequest(("on nobody",)))
    async with database.read(dev.tenant_id) as session:
        rows = list(await session.scalars(select(ModelCall).order_by(col(ModelCall.created_at))))
    assert [(row.kind, row.purpose, row.input_tokens, row.error_code) for row in rows] == [
        ("EMBEDDING", "INGESTION", 2, None),
        ("EMBEDDING", "INGESTION", 3, None),
        ("EMBEDDING", "INGESTION", 0, "MODEL_REQUEST_REFUSED"),
    ]
    assert {row.model_id for row in rows} == {endpoint.model_id}
