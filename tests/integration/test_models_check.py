"""Trial calls to models, over real sockets, and what nobody may ever read: keys."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from nexent_gql.api.schema.relay import global_id
from nexent_gql.db.session import Database
from nexent_gql.domains.models.errors import ChatModelNotFoundError, NoDefaultModelError
from nexent_gql.domains.models.policy import ModelConfig, ModelPatch
from nexent_gql.domains.models.tables import ChatModel
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.principal import Principal, Role
from nexent_gql.ports.llm import Dialect
from nexent_gql.ports.secrets import SecretUnreadableError
from tests.support.direct_graphql import Data
from tests.support.factory import Factory
from tests.support.fake_provider import FakeProvider, Stall, Status, Text, fake_provider
from tests.support.service_harness import ServiceHarness, harness

CHECK = "{ check { ok code advice latencyMs } model { lastCheck { ok code advice latencyMs } } }"
CANARY = "sk-canary-0123456789-abcdefgh"


@pytest.fixture
async def app(database: Database) -> AsyncGenerator[ServiceHarness]:
    async with harness(database, check_s=1) as app:
        yield app


@pytest.fixture
async def provider() -> AsyncGenerator[FakeProvider]:
    async with fake_provider(key=CANARY) as provider:
        provider.script("good", [Text("Yes")])
        provider.script("gone", [Status(404, "The model `gone` does not exist", code="model_not_found")])
        provider.script("silent", [Stall()])
        provider.script("busy", [Status(500)])
        yield provider


@pytest.fixture
async def dev(make: Factory) -> Principal:
    return await make.principal(Role.DEVELOPER)


def config(provider: FakeProvider, *, model: str = "good", key: str | None = CANARY) -> ModelConfig:
    return ModelConfig(Dialect.OPENAI, model, provider.base_url, SecretStr(key) if key else None)


async def check(app: ServiceHarness, actor: Principal, row: ChatModel) -> Data:
    payload = await app.mutate(actor, "checkModel", CHECK, id=global_id("Model", row.id))
    assert payload["__typename"] == "CheckModelPayload", payload
    assert payload["model"]["lastCheck"] == payload["check"]
    return payload["check"]


async def test_a_model_that_answers_is_ok(app: ServiceHarness, dev: Principal, provider: FakeProvider) -> None:
    row = await app.models.register(dev, "M", config(provider))
    outcome = await check(app, dev, row)
    assert outcome == {"ok": True, "code": None, "advice": None, "latencyMs": outcome["latencyMs"]}
    assert 0 <= outcome["latencyMs"] < 1_000
    assert [bool(request.body.get("tools")) for request in provider.requests] == [False]
    row = await app.models.get(dev, row.id)
    assert (row.last_check_ok, row.last_check_latency_ms) == (True, outcome["latencyMs"])


async def test_the_offline_model_is_ok(app: ServiceHarness, dev: Principal) -> None:
    row = await app.models.register(dev, "M", ModelConfig(Dialect.OFFLINE, "offline"))
    assert (await check(app, dev, row))["ok"] is True


async def test_each_failure_has_a_code_and_advice(app: ServiceHarness, dev: Principal, provider: FakeProvider) -> None:
    base = provider.base_url
    cases = {
        "MODEL_KEY_REFUSED": {"providerModel": "good", "baseUrl": base, "apiKey": "sk-wrong"},
        "MODEL_NOT_FOUND": {"providerModel": "gone", "baseUrl": base, "apiKey": CANARY},
        "MODEL_UNREACHABLE": {"providerModel": "good", "baseUrl": "http://127.0.0.1:1024/v1", "apiKey": CANARY},
        "MODEL_TIMEOUT": {"providerModel": "silent", "baseUrl": base, "apiKey": CANARY},
        "MODEL_OVERLOADED": {"providerModel": "busy", "baseUrl": base, "apiKey": CANARY},
        "MODEL_ADDRESS_REFUSED": {"providerModel": "good", "baseUrl": "http://169.254.169.254/v1"},
    }
    fields = "{ check { ok code advice latencyMs } }"
    for code, input_ in cases.items():
        payload = await app.mutate(dev, "checkModelConfig", fields, dialect="OPENAI", **input_)
        assert (payload["check"]["ok"], payload["check"]["code"]) == (False, code)
        assert len(payload["check"]["advice"]) > 20
    wrong_path = {"providerModel": "good", "baseUrl": base.removesuffix("/v1"), "apiKey": CANARY}
    payload = await app.mutate(dev, "checkModelConfig", fields, dialect="OPENAI", **wrong_path)
    assert (payload["check"]["ok"], payload["check"]["code"]) == (False, "MODEL_NOT_FOUND")
    assert await app.models.count(dev) == 0


async def test_a_failure_is_kept_with_the_model(app: ServiceHarness, dev: Principal, provider: FakeProvider) -> None:
    row = await app.models.register(dev, "M", config(provider, key="sk-wrong-0123456789"))
    assert (await check(app, dev, row))["code"] == "MODEL_KEY_REFUSED"
    await app.models.update(dev, row.id, ModelPatch(name="Renamed"))
    assert (await app.models.get(dev, row.id)).last_check_code == "MODEL_KEY_REFUSED"
    await app.models.update(dev, row.id, ModelPatch(api_key=SecretStr(CANARY)))
    assert (await app.models.get(dev, row.id)).last_check_at is None
    assert (await check(app, dev, row))["ok"] is True


async def test_an_outcome_of_other_settings_is_not_kept(
    app: ServiceHarness, dev: Principal, provider: FakeProvider
) -> None:
    row = await app.models.register(dev, "M", config(provider, model="silent"))
    fields = "{ check { code } model { lastCheck { ok } } }"
    async with asyncio.TaskGroup() as tasks:
        checking = tasks.create_task(app.mutate(dev, "checkModel", fields, id=global_id("Model", row.id)))
        await provider.wait_for()
        await app.models.update(dev, row.id, ModelPatch(model_name="good"))
    assert checking.result()["check"]["code"] == "MODEL_TIMEOUT"
    assert checking.result()["model"]["lastCheck"] is None


async def test_no_field_refusal_or_log_holds_a_key(
    app: ServiceHarness,
    dev: Principal,
    provider: FakeProvider,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    provider.key = "sk-the-provider-wants-another"
    views: list[object] = []
    openai = {"dialect": "OPENAI", "baseUrl": provider.base_url, "apiKey": CANARY}
    names = await app.ask(dev, '{ __type(name: "Model") { fields { name } } }')
    objects = {"lastCheck", "profile", "deadlines", "limits", "price", "health", "healthHistory"}
    scalars = {field["name"] for field in names.one["fields"]} - objects
    whole = f"{{ model {{ {' '.join(sorted(scalars))} lastCheck {{ code advice }} }} }}"
    views.append(registered := await app.mutate(dev, "registerModel", whole, name="M", providerModel="good", **openai))
    id_ = registered["model"]["id"]
    views.append(await app.mutate(dev, "checkModel", CHECK, id=id_))
    views.append(await app.mutate(dev, "checkModelConfig", "{ check { code advice } }", providerModel="good", **openai))
    views.append(await app.mutate(dev, "registerModel", whole, name="M", providerModel="good", **openai))
    views.append(await app.mutate(dev, "registerModel", whole, name="", providerModel="good", **openai))
    views.append(await app.mutate(dev, "updateModel", whole, id=id_, apiKey=f"{CANARY} with space"))
    register = "mutation ($input: RegisterModelInput!) { registerModel(input: $input) { __typename } }"
    for wrong in (
        {},
        {"name": 7},
        {"name": "x", "providerModel": "x", "color": "red"},
        {"name": "x", "providerModel": None},
    ):
        answer = await app.ask(dev, register, input={**openai, **wrong})
        assert {error["extensions"]["code"] for error in answer.errors} == {"BAD_USER_INPUT"}
        views.append(answer.errors)
    printed = capsys.readouterr()
    output = json.dumps(views, default=str) + caplog.text + printed.out + printed.err
    assert "MODEL_KEY_REFUSED" in output
    assert CANARY not in output
    assert "canary" not in output
    assert registered["model"]["apiKeyHint"] == f"****{CANARY[-4:]}"


async def test_a_key_is_stored_sealed_and_opens_only_in_its_place(
    app: ServiceHarness, dev: Principal, provider: FakeProvider, make: Factory
) -> None:
    eve = await make.principal()
    row = await app.models.register(dev, "M", config(provider))
    stolen = await app.models.register(eve, "M", config(provider, key=None))
    assert row.api_key_sealed is not None
    assert CANARY.encode() not in row.api_key_sealed
    async with app.database.transaction(eve.tenant_id) as session:
        query = text("UPDATE chat_model SET api_key_sealed = :sealed WHERE id = :id")
        await session.execute(query, {"sealed": row.api_key_sealed, "id": stolen.id})
    with pytest.raises(SecretUnreadableError):
        await app.endpoint(eve.tenant_id, stolen.id)
    assert (await check(app, eve, stolen))["code"] == "SECRET_UNREADABLE"
    assert provider.requests == []


async def test_an_endpoint_is_found_for_runs(
    app: ServiceHarness, dev: Principal, provider: FakeProvider, make: Factory
) -> None:
    with pytest.raises(NoDefaultModelError):
        await app.endpoint(dev.tenant_id, None)
    row = await app.models.register(dev, "M", config(provider))
    for id_ in (row.id, None):
        endpoint = await app.endpoint(dev.tenant_id, id_)
        assert (endpoint.model, endpoint.base_url) == ("good", provider.base_url)
        assert endpoint.api_key is not None
        assert endpoint.api_key.get_secret_value() == CANARY
    eve = await make.principal()
    for tenant_id, id_ in ((eve.tenant_id, row.id), (dev.tenant_id, new_id())):
        with pytest.raises(ChatModelNotFoundError):
            await app.endpoint(tenant_id, id_)
