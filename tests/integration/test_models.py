"""Registered models, through the schema."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from nexent_gql.api.schema.relay import global_id
from nexent_gql.db.session import Database
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.principal import Principal, Role
from tests.support.direct_graphql import Data
from tests.support.factory import Factory
from tests.support.service_harness import ServiceHarness, harness
from tests.support.statements import statements

FIELDS = (
    "id name dialect baseUrl providerModel hasApiKey apiKeyHint isDefault createdAt updatedAt "
    "lastCheck { ok code advice latencyMs checkedAt }"
)
MODELS = f"""
query ($first: Int, $after: String, $last: Int, $before: String) {{
  models(first: $first, after: $after, last: $last, before: $before) {{
    totalCount pageInfo {{ hasNextPage endCursor startCursor }} edges {{ node {{ {FIELDS} }} }}
  }}
}}
"""
MODEL = f"query ($id: ID!) {{ model(id: $id) {{ {FIELDS} }} }}"
OPENAI = {"name": "GPT", "dialect": "OPENAI", "providerModel": "gpt-4o-mini"}


@pytest.fixture
async def app(database: Database) -> AsyncGenerator[ServiceHarness]:
    async with harness(database) as app:
        yield app


@pytest.fixture
async def dev(make: Factory) -> Principal:
    return await make.principal(Role.DEVELOPER)


async def register(app: ServiceHarness, actor: Principal, /, **fields: object) -> Data:
    payload = await app.mutate(actor, "registerModel", f"{{ model {{ {FIELDS} }} }}", **{**OPENAI, **fields})
    assert payload["__typename"] == "RegisterModelPayload", payload
    return payload["model"]


async def update(app: ServiceHarness, actor: Principal, **fields: object) -> Data:
    return await app.mutate(actor, "updateModel", f"{{ model {{ {FIELDS} }} }}", **fields)


async def test_registers_a_model(app: ServiceHarness, dev: Principal) -> None:
    model = await register(app, dev, name=" GPT ", baseUrl="https://llm.example/v1/", apiKey="sk-0123456789abcdef")
    assert model == model | {
        "name": "GPT",
        "dialect": "OPENAI",
        "baseUrl": "https://llm.example/v1",
        "providerModel": "gpt-4o-mini",
        "hasApiKey": True,
        "apiKeyHint": "****cdef",
        "isDefault": True,
        "lastCheck": None,
    }
    assert (await app.ask(dev, MODEL, id=model["id"])).one == model
    assert (await app.ask(dev, MODELS)).nodes == [model]


ADDRESSES = {
    None: "https://api.openai.com/v1",
    "": "https://api.openai.com/v1",
    "https://llm.example/v1/chat/completions": "https://llm.example/v1",
    "https://llm.example/v1/chat/completions///": "https://llm.example/v1",
    "http://[::1]:8080/v1": "http://[::1]:8080/v1",
    " http://localhost:11434/v1 ": "http://localhost:11434/v1",
    "https://llm.example": "https://llm.example",
}
BAD = {
    "name": ("", " ", "\u200b", "x" * 101, "a\0b", "a\nb", "a\u202eb"),
    "providerModel": ("", "x" * 201, "a\0b", "a\tb"),
    "baseUrl": (
        *("llm.example/v1", "ftp://llm.example", "file:///etc/passwd", "https://", "https:///v1", "http://:80"),
        *("https://user@llm.example", "https://user:word@llm.example", "https://llm.example?key=1"),
        *("https://llm.example/v1#top", "https://llm.example?", "https://llm.example/a b", "https://a\\b"),
        *("https://[::1", "https://llm.example:0", "https://llm.example:99999", "https://llm.example:x"),
        *(f"https://llm.example/v1{escape}" for escape in ("%0d", "%0A", "%00", "%09", "%3F", "%23", "%2e%2e", "%5c")),
        *(f"https://llm.example/{escape}/v1" for escape in ("%", "%2", "%zz", "%2f", "%25", "%7f")),
        *(f"http://{host}/v1" for host in ("2130706433", "0x7f.1", "127.1", "0177.0.0.1", "127.0.0.1.", "1.2.3.4.5")),
        *(
            "https://a..b/v1",
            "https://-a/v1",
            "https://[::1%25lo]/v1",
            "https://[1.2.3.4]/v1",
            "https://b\u00fccher.example",
        ),
        *("https://llm.example/\0", "https://llm.example/ä", "https://llm.example/" + "x" * 2_000),
    ),
    "apiKey": ("", " ", "with space", "k\0y", "schlüssel", "line\nbreak", "x" * 4_001),
}


async def test_tidies_the_address(app: ServiceHarness, dev: Principal) -> None:
    for number, (address, tidy_address) in enumerate(ADDRESSES.items()):
        assert (await register(app, dev, name=f"Model {number}", baseUrl=address))["baseUrl"] == tidy_address


async def test_refuses_a_bad_field_and_names_it(app: ServiceHarness, dev: Principal) -> None:
    model = await register(app, dev)
    for field, value in ((field, value) for field, values in BAD.items() for value in values):
        refusal = await app.mutate(dev, "registerModel", "{ model { id } }", **{**OPENAI, "name": "Two", field: value})
        expected = {"__typename": "ValidationError", "code": "BAD_USER_INPUT", "path": ["input", field]}
        assert refusal == {**expected, "message": refusal["message"]}, value
        if (field, value) != ("baseUrl", ""):
            refusal = await update(app, dev, **{"id": model["id"], field: value})
            assert refusal == {**expected, "message": refusal["message"]}, value
    assert (await app.ask(dev, MODELS)).nodes == [model]


async def test_the_offline_model_takes_no_address_and_no_key(app: ServiceHarness, dev: Principal) -> None:
    offline = {"name": "Offline", "dialect": "OFFLINE", "providerModel": "offline"}
    for field, value in {"baseUrl": "https://llm.example", "apiKey": "sk-1"}.items():
        refusal = await app.mutate(dev, "registerModel", "{ model { id } }", **{**offline, field: value})
        assert refusal["path"] == ["input", field]
    model = await register(app, dev, **offline)
    assert (model["dialect"], model["baseUrl"], model["hasApiKey"]) == ("OFFLINE", None, False)
    assert (await update(app, dev, id=model["id"], apiKey="sk-1"))["path"] == ["input", "apiKey"]


async def test_an_unknown_dialect_is_refused_by_the_schema(app: ServiceHarness, dev: Principal) -> None:
    document = "mutation ($input: RegisterModelInput!) { registerModel(input: $input) { __typename } }"
    answer = await app.ask(dev, document, input={"name": "x", "dialect": "KLINGON", "providerModel": "x"})
    assert answer.code == "BAD_USER_INPUT"
    assert ".dialect" in answer.errors[0]["message"]


async def test_a_name_is_taken_once_per_tenant(app: ServiceHarness, dev: Principal, make: Factory) -> None:
    await register(app, dev)
    refusal = await app.mutate(dev, "registerModel", "{ model { id } }", **OPENAI)
    assert (refusal["__typename"], refusal["code"]) == ("ConflictError", "MODEL_NAME_TAKEN")
    other = await register(app, dev, name="Other")
    refusal = await update(app, dev, id=other["id"], name="GPT")
    assert (refusal["__typename"], refusal["code"]) == ("ConflictError", "MODEL_NAME_TAKEN")
    assert (await app.ask(dev, MODEL, id=other["id"])).one == other
    await register(app, await make.principal())


async def test_changes_only_what_is_named(app: ServiceHarness, dev: Principal) -> None:
    before = await register(app, dev, baseUrl="https://llm.example/v1", apiKey="sk-0123456789abcdef")
    after = (await update(app, dev, id=before["id"], name="Renamed"))["model"]
    assert after == before | {"name": "Renamed", "updatedAt": after["updatedAt"]}
    after = (await update(app, dev, id=before["id"], providerModel="gpt-5"))["model"]
    assert after == before | {"name": "Renamed", "providerModel": "gpt-5", "updatedAt": after["updatedAt"]}


async def test_sets_and_clears(app: ServiceHarness, dev: Principal) -> None:
    id_ = (await register(app, dev, baseUrl="https://llm.example/v1"))["id"]
    set_ = (await update(app, dev, id=id_, apiKey="sk-fedcba9876543210"))["model"]
    assert (set_["hasApiKey"], set_["apiKeyHint"]) == (True, "****3210")
    short = (await update(app, dev, id=id_, apiKey="short"))["model"]
    assert (short["hasApiKey"], short["apiKeyHint"]) == (True, None)
    cleared = (await update(app, dev, id=id_, apiKey=None, baseUrl=None))["model"]
    assert (cleared["hasApiKey"], cleared["baseUrl"]) == (False, "https://api.openai.com/v1")


async def test_what_must_be_there_cannot_be_cleared(app: ServiceHarness, dev: Principal) -> None:
    model = await register(app, dev)
    for field in ("name", "providerModel"):
        refusal = await update(app, dev, **{"id": model["id"], field: None})
        assert (refusal["__typename"], refusal["path"]) == ("ValidationError", ["input", field])
    assert (await app.ask(dev, MODEL, id=model["id"])).one == model


async def test_a_key_does_not_follow_the_address_to_another_server(app: ServiceHarness, dev: Principal) -> None:
    model = await register(app, dev, baseUrl="https://llm.example/v1", apiKey="sk-0123456789abcdef")
    for url in ("https://evil.example/v1", "http://llm.example/v1", "https://llm.example:8443/v1", None):
        refusal = await update(app, dev, id=model["id"], baseUrl=url)
        assert (refusal["__typename"], refusal["path"]) == ("ValidationError", ["input", "apiKey"])
    assert (await app.ask(dev, MODEL, id=model["id"])).one == model
    moved = (await update(app, dev, id=model["id"], baseUrl="https://llm.example/v2"))["model"]
    assert (moved["baseUrl"], moved["hasApiKey"]) == ("https://llm.example/v2", True)
    payload = await update(app, dev, id=model["id"], baseUrl="https://evil.example", apiKey="sk-other-key-1234")
    assert payload["model"]["apiKeyHint"] == "****1234"


async def test_the_first_model_is_the_default_and_only_one_is(app: ServiceHarness, dev: Principal) -> None:
    first, second = await register(app, dev), await register(app, dev, name="Second")
    assert (first["isDefault"], second["isDefault"]) == (True, False)
    await app.mutate(dev, "setDefaultModel", "{ model { id } }", id=second["id"])
    assert [(model["name"], model["isDefault"]) for model in (await app.ask(dev, MODELS)).nodes] == [
        ("Second", True),
        ("GPT", False),
    ]


async def test_of_many_first_models_at_once_one_is_the_default(app: ServiceHarness, dev: Principal) -> None:
    await asyncio.gather(*(register(app, dev, name=f"Model {n}") for n in range(8)))
    models = (await app.ask(dev, MODELS)).nodes
    assert sorted(model["isDefault"] for model in models) == [False] * 7 + [True]
    choices = (app.mutate(dev, "setDefaultModel", "{ model { id } }", id=model["id"]) for model in models)
    assert {answer["__typename"] for answer in await asyncio.gather(*choices)} == {"SetDefaultModelPayload"}
    assert sum(model["isDefault"] for model in (await app.ask(dev, MODELS)).nodes) == 1


async def test_a_default_of_nobody_leaves_the_old_one(app: ServiceHarness, dev: Principal) -> None:
    model = await register(app, dev)
    missing = global_id("Model", new_id())
    assert (await app.mutate(dev, "setDefaultModel", "{ model { id } }", id=missing))["code"] == "NOT_FOUND"
    assert (await app.ask(dev, MODEL, id=model["id"])).one["isDefault"] is True


async def test_deletes(app: ServiceHarness, dev: Principal) -> None:
    first, second = await register(app, dev), await register(app, dev, name="Second")
    refusal = await app.mutate(dev, "deleteModel", "{ deletedId }", id=first["id"])
    assert (refusal["__typename"], refusal["code"]) == ("ConflictError", "MODEL_IS_DEFAULT")
    for id_ in (second["id"], first["id"]):
        assert (await app.mutate(dev, "deleteModel", "{ deletedId }", id=id_))["deletedId"] == id_
        assert (await app.ask(dev, MODEL, id=id_)).data == {"model": None}
    assert (await app.mutate(dev, "deleteModel", "{ deletedId }", id=first["id"]))["code"] == "NOT_FOUND"


async def test_a_model_in_use_stays_and_its_users_are_named(app: ServiceHarness, dev: Principal, make: Factory) -> None:
    await make.model(dev, is_default=True)
    used = await make.model(dev)
    for name in ("Zoe", "Adam"):
        await make.agent(dev, name=name, model=used)
    agent_of_model = await make.agent(dev, model=used)
    await app.agents.delete(dev, agent_of_model.id)
    fields = "{ deletedId } ... on ModelInUseError { agents { name } }"
    refusal = await app.mutate(dev, "deleteModel", fields, id=global_id("Model", used.id))
    assert refusal == {
        "__typename": "ModelInUseError",
        "message": "Agents, routes or knowledge bases use this model; give them another one first.",
        "code": "MODEL_IN_USE",
        "agents": [{"name": "Adam"}, {"name": "Zoe"}],
    }
    assert await app.models.count(dev) == 2


WRITES = {
    "registerModel": OPENAI,
    "updateModel": {"name": "Mine now", "apiKey": "sk-stolen-0123456"},
    "setDefaultModel": {},
    "deleteModel": {},
    "checkModel": {},
    "checkModelConfig": {"dialect": "OFFLINE", "providerModel": "offline"},
}


async def test_members_only_read(app: ServiceHarness, dev: Principal, make: Factory) -> None:
    member = await make.principal(Role.MEMBER, beside=dev)
    model = await register(app, dev)
    for name, fields in WRITES.items():
        id_ = {} if name in ("registerModel", "checkModelConfig") else {"id": model["id"]}
        refusal = await app.mutate(member, name, "{ __typename }", **fields, **id_)
        assert (refusal["__typename"], refusal["code"]) == ("ForbiddenError", "FORBIDDEN")
    assert (await app.ask(member, MODELS)).nodes == [model]


async def test_another_tenants_model_does_not_exist(app: ServiceHarness, dev: Principal, make: Factory) -> None:
    eve = await make.principal()
    model = await register(app, dev, apiKey="sk-0123456789abcdef")
    for name in ("updateModel", "setDefaultModel", "deleteModel", "checkModel"):
        refusal = await app.mutate(eve, name, "{ __typename }", **WRITES[name], id=model["id"])
        assert (refusal["__typename"], refusal["code"]) == ("NotFoundError", "NOT_FOUND")
    assert (await app.ask(eve, MODEL, id=model["id"])).data == {"model": None}
    assert (await app.ask(eve, "query ($id: ID!) { node(id: $id) { id } }", id=model["id"])).data == {"node": None}
    assert (await app.ask(eve, MODELS)).one["totalCount"] == 0
    assert (await app.ask(dev, MODEL, id=model["id"])).one == model


async def test_what_is_no_id_of_a_model_is_refused(app: ServiceHarness, dev: Principal) -> None:
    for id_ in ("", "x", "TW9kZWw6eA==", "0" * 10_000, str(new_id()), global_id("Agent", new_id())):
        refusal = await update(app, dev, id=id_, name="x")
        expected = {"__typename": "ValidationError", "code": "INVALID_ID", "path": ["input", "id"]}
        assert refusal == {**expected, "message": "This is not the id of a Model."}
        assert (await app.ask(dev, MODEL, id=id_)).data == {"model": None}


async def test_pages_newest_first_in_both_directions(app: ServiceHarness, dev: Principal, make: Factory) -> None:
    for number in range(5):
        await make.model(dev, name=f"M{number}", is_default=number == 0)
    front = await app.ask(dev, MODELS, first=2)
    assert [model["name"] for model in front.nodes] == ["M4", "M3"]
    assert front.one["totalCount"] == 5
    rest = await app.ask(dev, MODELS, first=3, after=front.one["pageInfo"]["endCursor"])
    assert [model["name"] for model in rest.nodes] == ["M2", "M1", "M0"]
    assert rest.one["pageInfo"]["hasNextPage"] is False
    back = await app.ask(dev, MODELS, last=1, before=rest.one["pageInfo"]["startCursor"])
    assert [model["name"] for model in back.nodes] == ["M3"]
    assert (await app.ask(dev, MODELS, after="garbage")).code == "INVALID_CURSOR"
    assert (await app.ask(dev, MODELS, first=101)).code == "INVALID_PAGE"


async def test_a_page_costs_one_statement_and_its_count_another(
    app: ServiceHarness, dev: Principal, make: Factory
) -> None:
    for number in range(5):
        await make.model(dev, is_default=number == 0)
    with statements(app.database) as queries:
        await app.ask(dev, "{ models { edges { node { id name lastCheck { ok } } } } }")
    assert len(queries) == 1
    with statements(app.database) as queries:
        await app.ask(dev, MODELS)
    assert len(queries) == 2
