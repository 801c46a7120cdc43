"""Models registered by provider, what is learned about them, and how that shows in the calls."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta
from typing import cast

import pytest
from pydantic import SecretStr

from nexent_gql.adapters.embeddings_local import installed_models
from nexent_gql.adapters.llm_dialects import installed_dialects, open_dialects
from nexent_gql.adapters.llm_gateway import LanguageModelGateway
from nexent_gql.adapters.outbound import outbound_client
from nexent_gql.db.session import Database
from nexent_gql.domains.models.endpoints import LEARNED_FOR, effective_profile
from nexent_gql.domains.models.policy import ModelConfig, profile_from_json
from nexent_gql.domains.models.providers import PROVIDERS, ModelProviderName
from nexent_gql.kernel.principal import Principal, Role
from nexent_gql.ports.content import ImagePart, TextPart
from nexent_gql.ports.llm import (
    ChatMessage,
    ChatRequest,
    Dialect,
    ModelDeadlines,
    ModelEndpoint,
    ModelProfile,
    ModelRequestRefusedError,
    ModelTimeoutError,
    ReasoningEffort,
    Verbosity,
)
from tests.support.direct_graphql import Data
from tests.support.factory import Factory
from tests.support.fake_provider import FakeProvider, Refuse, Stall, Text, Tool, fake_provider
from tests.support.llm import CALCULATOR, collect
from tests.support.service_harness import ServiceHarness, harness

KEY = "sk-canary-0123456789-abcdefgh"
PROFILE = "profile { contextWindowTokens maxOutputTokens tools vision }"
MODEL = f"id name provider dialect baseUrl providerModel hasApiKey {PROFILE}"


@pytest.fixture
async def app(database: Database) -> AsyncGenerator[ServiceHarness]:
    async with harness(database, check_s=5) as app:
        yield app


@pytest.fixture
async def provider() -> AsyncGenerator[FakeProvider]:
    async with fake_provider(key=KEY) as provider:
        provider.script("talks", [Text("Yes")])
        provider.script("calls", [Tool("get_weather", {"city": "Paris"})])
        provider.context_lengths["calls"] = 32_768
        yield provider


@pytest.fixture
async def dev(make: Factory) -> Principal:
    return await make.principal(Role.DEVELOPER)


async def register(app: ServiceHarness, dev: Principal, **fields: object) -> Data:
    payload = await app.mutate(dev, "registerModel", f"{{ model {{ {MODEL} }} }}", **fields)
    assert payload["__typename"] == "RegisterModelPayload", payload
    return payload["model"]


async def test_each_provider_gives_its_models_dialect_and_address(app: ServiceHarness, dev: Principal) -> None:
    fields = "name title dialects baseUrl needsApiKey takesApiVersion kinds"
    rows = cast("list[Data]", (await app.ask(dev, f"{{ modelProviders {{ {fields} }} }}")).one)
    assert [row["name"] for row in rows] == list(PROVIDERS)
    for row in rows:
        address = {} if row["baseUrl"] or row["name"] in {"OFFLINE", "LOCAL"} else {"baseUrl": "https://llm.example/v1"}
        values = {"name": row["name"], "provider": row["name"], "providerModel": "m", "kind": row["kinds"][0]}
        model = await register(app, dev, **values, **address)
        assert model["provider"] == row["name"]
        assert model["dialect"] == row["dialects"][0]
        assert model["baseUrl"] == (row["baseUrl"] or address.get("baseUrl"))


async def test_a_model_without_provider_is_recognised_by_its_address(app: ServiceHarness, dev: Principal) -> None:
    cases = {
        "https://api.deepseek.com/v1": "DEEPSEEK",
        "https://mine.openai.azure.com/openai/v1": "AZURE_OPENAI",
        "https://openai.azure.com.evil.example/v1": "COMPATIBLE",
        "https://llm.example/v1": "COMPATIBLE",
    }
    for url, name in cases.items():
        model = await register(app, dev, name=url, dialect="OPENAI", providerModel="m", baseUrl=url)
        assert model["provider"] == name


async def test_what_does_not_fit_the_provider_is_refused_by_field(app: ServiceHarness, dev: Principal) -> None:
    cases: list[tuple[dict[str, object], list[str]]] = [
        ({}, ["provider"]),
        ({"provider": "ANTHROPIC", "dialect": "OPENAI"}, ["dialect"]),
        ({"provider": "AZURE_OPENAI"}, ["baseUrl"]),
        ({"provider": "OPENAI", "apiVersion": "2024-10-21"}, ["apiVersion"]),
        ({"provider": "AZURE_OPENAI", "baseUrl": "https://a.example", "apiVersion": "1&x=2"}, ["apiVersion"]),
        ({"provider": "OPENAI", "profile": {"contextWindowTokens": 0}}, ["profile", "contextWindowTokens"]),
        ({"provider": "OPENAI", "profile": {"temperature": 2.5}}, ["profile", "temperature"]),
        ({"provider": "OPENAI", "deadlines": {"idleSeconds": 0}}, ["deadlines", "idleSeconds"]),
    ]
    for fields, path in cases:
        refusal = await app.mutate(dev, "registerModel", "{ model { id } }", name="M", providerModel="m", **fields)
        assert refusal["path"] == ["input", *path], fields


async def test_what_a_model_is_asked_by_default_is_kept(app: ServiceHarness, dev: Principal) -> None:
    profile = {"temperature": 0.3, "reasoningEffort": "HIGH", "verbosity": "LOW", "parallelTools": False}
    payload = await app.mutate(
        dev,
        "registerModel",
        "{ model { profile { temperature reasoningEffort verbosity parallelTools } } }",
        name="M",
        provider="OPENAI",
        providerModel="m",
        profile=profile,
    )
    assert payload["model"]["profile"] == profile
    async with app.database.read(dev.tenant_id) as session:
        endpoint = await app.models.endpoint(session, dev.tenant_id, None)
    assert endpoint.profile == ModelProfile(
        has_parallel_tools=False, temperature=0.3, reasoning_effort=ReasoningEffort.HIGH, verbosity=Verbosity.LOW
    )
    assert profile_from_json({"reasoning_effort": "of a later release", "verbosity": []}) == ModelProfile()


async def test_azure_gets_its_header_its_version_and_the_path_of_the_deployment(
    app: ServiceHarness, dev: Principal, provider: FakeProvider
) -> None:
    root = provider.base_url.removesuffix("/v1")
    for version in (None, "2024-10-21"):
        config = ModelConfig(
            None, "talks", root, SecretStr(KEY), provider=ModelProviderName.AZURE_OPENAI, api_version=version
        )
        row = await app.models.register(dev, f"Azure {version}", config)
        _, check = await app.models.check(dev, row.id, with_profile=True)
        assert check.outcome.ok, check
    first, _, second, _ = provider.state.records
    assert first.path == "/openai/v1/chat/completions"
    assert second.path == "/openai/deployments/talks/chat/completions"
    for record in (first, second):
        assert record.headers["api-key"] == KEY
        assert "authorization" not in record.headers


async def test_lists_remote_models_and_registers_them_once(
    app: ServiceHarness, dev: Principal, provider: FakeProvider, make: Factory
) -> None:
    place = {"provider": "VLLM", "baseUrl": provider.base_url, "apiKey": KEY}
    fields = "{ models { providerModel contextWindowTokens } }"
    listed = await app.mutate(dev, "listRemoteModels", fields, **place)
    assert listed["models"] == [
        {"providerModel": "talks", "contextWindowTokens": None},
        {"providerModel": "calls", "contextWindowTokens": 32_768},
    ]
    entries = [{"providerModel": "talks"}, {"providerModel": "calls", "name": "C", "contextWindowTokens": 32_768}]
    payloads = [
        await app.mutate(dev, "registerModels", f"{{ models {{ {MODEL} }} }}", **place, models=entries) for _ in "12"
    ]
    assert payloads[0] == payloads[1]
    first, second = payloads[0]["models"]
    assert (first["name"], second["name"]) == ("talks", "C")
    assert (second["provider"], second["hasApiKey"]) == ("VLLM", True)
    assert second["profile"]["contextWindowTokens"] == 32_768
    assert await app.models.count(dev) == 2
    default = await app.models.find_default(dev)
    assert default is not None
    assert default.name == "talks"
    user = await make.principal(Role.MEMBER)
    assert (await app.mutate(user, "listRemoteModels", fields, **place))["__typename"] == "ForbiddenError"


async def test_a_list_that_fails_says_why_without_the_key(
    app: ServiceHarness, dev: Principal, provider: FakeProvider
) -> None:
    wrong = {"provider": "VLLM", "baseUrl": provider.base_url, "apiKey": "sk-wrong-0123456789"}
    refusal = await app.mutate(
        dev, "listRemoteModels", "{ models { providerModel } } ... on ModelProviderError { providerMessage }", **wrong
    )
    assert (refusal["__typename"], refusal["code"]) == ("ModelProviderError", "MODEL_KEY_REFUSED")
    assert "sk-wrong" not in str(refusal)
    assert "Incorrect API key" in refusal["providerMessage"]
    inside = {"provider": "COMPATIBLE", "baseUrl": "http://169.254.169.254/v1"}
    refusal = await app.mutate(dev, "listRemoteModels", "{ models { providerModel } }", **inside)
    assert refusal["code"] == "MODEL_ADDRESS_REFUSED"


async def test_a_check_learns_what_people_may_correct(
    app: ServiceHarness, dev: Principal, provider: FakeProvider
) -> None:
    place = {"provider": "VLLM", "baseUrl": provider.base_url, "apiKey": KEY}
    model = await register(app, dev, name="M", providerModel="calls", **place)
    assert model["profile"] == {"contextWindowTokens": None, "maxOutputTokens": None, "tools": None, "vision": None}
    payload = await app.mutate(dev, "checkModel", f"{{ model {{ {MODEL} }} }}", id=model["id"], withProfile=True)
    learned = payload["model"]["profile"]
    assert (learned["contextWindowTokens"], learned["tools"]) == (32_768, True)
    payload = await app.mutate(
        dev, "updateModel", f"{{ model {{ {MODEL} }} }}", id=model["id"], profile={"contextWindowTokens": 8_192}
    )
    assert payload["model"]["profile"] == learned | {"contextWindowTokens": 8_192}
    row = await app.models.find_default(dev)
    assert row is not None
    assert row.last_check_at is not None
    later = row.last_check_at + LEARNED_FOR + timedelta(seconds=1)
    assert effective_profile(row, later) == ModelProfile(context_window_tokens=8_192)


async def test_a_model_that_refuses_tools_is_learned_as_one_without(
    app: ServiceHarness, dev: Principal, provider: FakeProvider
) -> None:
    provider.script("plain", [Text("Yes")])
    provider.script("refuses", [Refuse("tools")], user_contains="weather")
    row = await app.models.register(dev, "M", ModelConfig(Dialect.OPENAI, "plain", provider.base_url, SecretStr(KEY)))
    row, _ = await app.models.check(dev, row.id, with_profile=True)
    assert effective_profile(row, row.updated_at).has_tools is False


async def test_a_profile_shapes_requests_without_a_refusal(provider: FakeProvider) -> None:
    endpoint = ModelEndpoint(
        Dialect.OPENAI,
        "talks",
        provider.base_url,
        SecretStr(KEY),
        profile=ModelProfile(has_vision=False, has_sampling=False, has_stop=False, has_tools=False),
    )
    image_message = ChatMessage("user", (TextPart("What is this?"), ImagePart("image/png", data="aGVsbG8=")))
    async with outbound_client("any") as client:
        gateway = LanguageModelGateway(open_dialects(client))
        answer = await collect(gateway.stream(endpoint, ChatRequest((image_message,), temperature=0.5, stop=("END",))))
        refused = await collect(gateway.stream(endpoint, ChatRequest((image_message,), tools=(CALCULATOR,))))
    assert answer.error is None
    assert isinstance(refused.error, ModelRequestRefusedError)
    [request] = provider.requests
    assert not {"temperature", "stop"} & request.body.keys()
    assert "cannot see" in str(request.messages[0]["content"])


async def test_deadlines_of_a_model_replace_those_of_the_installation(provider: FakeProvider) -> None:
    provider.script("silent", [Stall()])
    endpoint = ModelEndpoint(Dialect.OPENAI, "silent", provider.base_url, SecretStr(KEY))
    async with outbound_client("any") as client:
        request = ChatRequest((ChatMessage.from_text("user", "Hello"),))
        limited = replace(endpoint, deadlines=ModelDeadlines(first_byte_s=0.2))
        answer = await collect(LanguageModelGateway(open_dialects(client)).stream(limited, request))
    assert isinstance(answer.error, ModelTimeoutError)
    assert answer.error.details["limit_s"] == 0.2


async def test_local_models_are_offered_only_where_they_are_installed(database: Database, dev: Principal) -> None:
    query = "{ modelProviders { name } }"
    names: list[set[str]] = []
    for dialects in (tuple(Dialect), (Dialect.OPENAI, Dialect.OFFLINE)):
        async with harness(database, dialects=dialects) as app:
            providers = cast("list[Data]", (await app.ask(dev, query)).one)
            names.append({str(provider["name"]) for provider in providers})
    assert names[0] - names[1] == {"ANTHROPIC", "LOCAL"}
    assert (Dialect.LOCAL in installed_dialects()) is bool(installed_models())
