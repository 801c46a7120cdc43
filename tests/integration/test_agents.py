"""Agents, through the schema."""

import asyncio
from collections.abc import AsyncGenerator
from uuid import UUID

import pytest

from nexent_gql.api.schema.relay import global_id, parse_id
from nexent_gql.db.session import Database
from nexent_gql.domains.agents.definition import AgentDefinition
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.json import dumps
from nexent_gql.kernel.principal import Principal, Role
from tests.support.direct_graphql import Data
from tests.support.factory import Factory
from tests.support.service_harness import ServiceHarness, harness
from tests.support.statements import statements

FIELDS = (
    "id name description instructions kind maxSteps toolNames version createdAt updatedAt deletedAt "
    "model { name } effectiveModel { name } tools { name }"
)
AGENT = f"query ($id: ID!) {{ agent(id: $id) {{ {FIELDS} }} }}"
AGENTS = f"""
query ($search: String, $first: Int, $after: String, $last: Int, $before: String) {{
  agents(search: $search, first: $first, after: $after, last: $last, before: $before) {{
    totalCount pageInfo {{ hasNextPage hasPreviousPage endCursor startCursor }} edges {{ node {{ {FIELDS} }} }}
  }}
}}
"""


@pytest.fixture
async def app(database: Database) -> AsyncGenerator[ServiceHarness]:
    async with harness(database) as app:
        yield app


@pytest.fixture
async def dev(make: Factory) -> Principal:
    return await make.principal(Role.DEVELOPER)


async def create(app: ServiceHarness, actor: Principal, /, **fields: object) -> Data:
    payload = await app.mutate(actor, "createAgent", f"{{ agent {{ {FIELDS} }} }}", **{"name": "Helper", **fields})
    assert payload["__typename"] == "CreateAgentPayload", payload
    return payload["agent"]


async def update(app: ServiceHarness, actor: Principal, /, **fields: object) -> Data:
    return await app.mutate(actor, "updateAgent", f"{{ agent {{ {FIELDS} }} }}", **fields)


async def names(app: ServiceHarness, actor: Principal, **arguments: object) -> list[str]:
    return [agent["name"] for agent in (await app.ask(actor, AGENTS, **arguments)).nodes]


def key(agent: Data) -> UUID:
    node_id = parse_id(agent["id"], "Agent")
    assert node_id is not None
    return node_id


@pytest.mark.parametrize("unset", [{}, {"kind": None, "maxSteps": None, "description": None, "modelId": None}])
async def test_makes_an_agent_with_defaults(app: ServiceHarness, dev: Principal, unset: dict[str, None]) -> None:
    agent = await create(app, dev, name=" Helper ", **unset)
    assert agent == {
        "id": agent["id"],
        "name": "Helper",
        "description": "",
        "instructions": "",
        "kind": "TOOL_CALLING",
        "maxSteps": 15,
        "toolNames": [],
        "version": 1,
        "createdAt": agent["createdAt"],
        "updatedAt": agent["createdAt"],
        "deletedAt": None,
        "model": None,
        "effectiveModel": None,
        "tools": [],
    }
    assert (await app.ask(dev, AGENT, id=agent["id"])).one == agent
    assert (await app.ask(dev, AGENTS)).nodes == [agent]


async def test_makes_a_whole_agent(app: ServiceHarness, dev: Principal, make: Factory) -> None:
    await make.model(dev, name="Default", is_default=True)
    model = await make.model(dev, name="Own")
    fields = {
        "name": "分析员",
        "description": "Two\nlines",
        "instructions": "x" * 50_000,
        "kind": "CODE",
        "maxSteps": 50,
        "toolNames": ["wait", "calculator"],
    }
    agent = await create(app, dev, modelId=global_id("Model", model.id), **fields)
    assert agent == agent | fields
    assert (agent["model"], agent["effectiveModel"]) == ({"name": "Own"}, {"name": "Own"})
    assert agent["tools"] == [{"name": "wait"}, {"name": "calculator"}]


BAD = {
    "name": (None, "", " ", "\u200b", "x" * 101, "a\0b", "a\nb", "a\u202eb"),
    "description": ("x" * 2_001, "a\0b"),
    "instructions": ("x" * 50_001, "a\0b"),
    "maxSteps": (0, -1, 51, 2_147_483_647),
}


async def test_refuses_a_bad_field_and_names_it(app: ServiceHarness, dev: Principal) -> None:
    agent = await create(app, dev)
    for field, value in ((field, value) for field, values in BAD.items() for value in values):
        expected = {"__typename": "ValidationError", "code": "BAD_USER_INPUT", "path": ["input", field]}
        if value is not None:
            refusal = await app.mutate(dev, "createAgent", "{ agent { id } }", **{"name": "Two", field: value})
            assert refusal == {**expected, "message": refusal["message"]}, value
        refusal = await update(app, dev, **{"id": agent["id"], field: value})
        assert refusal == {**expected, "message": refusal["message"]}, value
    assert (await app.ask(dev, AGENTS)).nodes == [agent]


async def test_refuses_tools_that_are_not_there_or_twice_or_too_many(app: ServiceHarness, dev: Principal) -> None:
    agent = await create(app, dev)
    cases = (
        (["wait", "teleport"], "UNKNOWN_TOOL", ["input", "toolNames", "1"]),
        (["", "wait"], "UNKNOWN_TOOL", ["input", "toolNames", "0"]),
        (["x" * 100_000], "UNKNOWN_TOOL", ["input", "toolNames", "0"]),
        (["a\0b"], "UNKNOWN_TOOL", ["input", "toolNames", "0"]),
        (["wait", "calculator", "wait"], "BAD_USER_INPUT", ["input", "toolNames", "2"]),
        (["wait"] * 51, "BAD_USER_INPUT", ["input", "toolNames"]),
    )
    for tools, code, path in cases:
        for refusal in (
            await app.mutate(dev, "createAgent", "{ agent { id } }", name="Two", toolNames=tools),
            await update(app, dev, id=agent["id"], toolNames=tools),
        ):
            assert (refusal["__typename"], refusal["code"], refusal["path"]) == ("ValidationError", code, path)
            assert len(refusal["message"]) < 500
    assert (await app.ask(dev, AGENTS)).nodes == [agent]


async def test_refuses_models_that_are_not_there(app: ServiceHarness, dev: Principal, make: Factory) -> None:
    agent = await create(app, dev)
    foreign = await make.model(await make.principal(), is_default=True)
    for model_id in (foreign.id, new_id()):
        id_ = global_id("Model", model_id)
        for refusal in (
            await app.mutate(dev, "createAgent", "{ agent { id } }", name="Two", modelId=id_),
            await update(app, dev, id=agent["id"], modelId=id_),
        ):
            assert (refusal["__typename"], refusal["code"]) == ("NotFoundError", "NOT_FOUND")
    for id_ in ("", "x", agent["id"], str(foreign.id)):
        refusal = await update(app, dev, id=agent["id"], modelId=id_)
        assert (refusal["code"], refusal["path"]) == ("INVALID_ID", ["input", "modelId"])
    assert (await app.ask(dev, AGENTS)).nodes == [agent]


async def test_unknown_enum_and_wrong_types_are_refused_by_the_schema(app: ServiceHarness, dev: Principal) -> None:
    document = "mutation ($input: CreateAgentInput!) { createAgent(input: $input) { __typename } }"
    for field, value in {"kind": "WIZARD", "maxSteps": "many", "toolNames": [1], "instructions": 7}.items():
        answer = await app.ask(dev, document, input={"name": "x", field: value})
        assert answer.code == "BAD_USER_INPUT"
        assert f".{field}" in answer.errors[0]["message"]
    assert await app.agents.count(dev) == 0


async def test_changes_only_what_is_named_then_clears(app: ServiceHarness, dev: Principal, make: Factory) -> None:
    await make.model(dev, name="Default", is_default=True)
    model = await make.model(dev, name="Own")
    before = await create(app, dev, name="One")
    changes: tuple[Data, ...] = (
        {"name": "Two"},
        {"description": "Good"},
        {"instructions": "Be brief."},
        {"kind": "CODE"},
        {"maxSteps": 3},
        {"toolNames": ["wait"]},
        {"modelId": global_id("Model", model.id)},
    )
    now = before
    for number, change in enumerate(changes, 2):
        after = (await update(app, dev, id=before["id"], **change))["agent"]
        expected = {"model": {"name": "Own"}, "effectiveModel": {"name": "Own"}} if "modelId" in change else change
        tools = {"tools": [{"name": "wait"}]} if "toolNames" in change else {}
        now = now | expected | tools | {"version": number, "updatedAt": after["updatedAt"]}
        assert after == now
    cleared = dict.fromkeys(("description", "instructions", "kind", "maxSteps", "toolNames", "modelId"))
    after = (await update(app, dev, id=before["id"], **cleared))["agent"]
    assert after == before | {"name": "Two", "version": 9, "updatedAt": after["updatedAt"]}
    assert after["effectiveModel"] == {"name": "Default"}


async def test_two_editors_notice_each_other(app: ServiceHarness, dev: Principal) -> None:
    agent = await create(app, dev)
    mine, theirs = await asyncio.gather(
        *(update(app, dev, id=agent["id"], maxSteps=steps, expectedVersion=1) for steps in (3, 4))
    )
    assert {mine["__typename"], theirs["__typename"]} == {"UpdateAgentPayload", "AgentChangedError"}
    fields = "{ agent { id } } ... on AgentChangedError { expectedVersion currentVersion }"
    refusal = await app.mutate(dev, "updateAgent", fields, id=agent["id"], name="x", expectedVersion=1)
    assert refusal == {
        "__typename": "AgentChangedError",
        "message": refusal["message"],
        "code": "AGENT_CHANGED",
        "expectedVersion": 1,
        "currentVersion": 2,
    }
    refusal = await app.mutate(dev, "deleteAgent", "{ deletedId }", id=agent["id"], expectedVersion=1)
    assert refusal["__typename"] == "AgentChangedError"
    assert (await app.ask(dev, AGENT, id=agent["id"])).one["version"] == 2
    deleted = await app.mutate(dev, "deleteAgent", "{ deletedId }", id=agent["id"], expectedVersion=2)
    assert deleted["__typename"] == "DeleteAgentPayload"


async def test_a_name_is_taken_once_per_tenant_among_the_living(
    app: ServiceHarness, dev: Principal, make: Factory
) -> None:
    first, second = await create(app, dev), await create(app, dev, name="Second")
    for refusal in (
        await app.mutate(dev, "createAgent", "{ agent { id } }", name=" Helper"),
        await update(app, dev, id=second["id"], name="Helper"),
    ):
        assert (refusal["__typename"], refusal["code"]) == ("ConflictError", "AGENT_NAME_TAKEN")
    assert (await app.ask(dev, AGENT, id=second["id"])).one == second
    await create(app, await make.principal())
    await app.mutate(dev, "deleteAgent", "{ deletedId }", id=first["id"])
    await create(app, dev)


async def test_of_many_with_one_name_one_is_made(app: ServiceHarness, dev: Principal) -> None:
    payloads = await asyncio.gather(
        *(app.mutate(dev, "createAgent", "{ agent { id } }", name="Same") for _ in range(8))
    )
    assert sorted(payload["__typename"] for payload in payloads) == ["ConflictError"] * 7 + ["CreateAgentPayload"]
    assert await names(app, dev) == ["Same"]


async def test_a_deleted_agent_is_gone_for_whoever_asks_but_not_for_what_refers_to_it(
    app: ServiceHarness, dev: Principal
) -> None:
    agent = await create(app, dev)
    assert (await app.mutate(dev, "deleteAgent", "{ deletedId }", id=agent["id"]))["deletedId"] == agent["id"]
    assert (await app.ask(dev, AGENT, id=agent["id"])).data == {"agent": None}
    assert (await app.ask(dev, "query ($id: ID!) { node(id: $id) { id } }", id=agent["id"])).data == {"node": None}
    assert await names(app, dev) == []
    for refusal in (
        await update(app, dev, id=agent["id"], name="x"),
        await app.mutate(dev, "deleteAgent", "{ deletedId }", id=agent["id"]),
    ):
        assert (refusal["__typename"], refusal["code"]) == ("NotFoundError", "NOT_FOUND")
    (row,) = await app.agents.get_many(dev, [key(agent)])
    assert (row.name, row.deleted_at is not None) == ("Helper", True)


async def test_only_the_name_of_a_deleted_agent_is_kept(app: ServiceHarness, dev: Principal) -> None:
    agent = await create(app, dev, description="Private", instructions="Private", toolNames=["wait"])
    await app.mutate(dev, "deleteAgent", "{ deletedId }", id=agent["id"])
    (row,) = await app.agents.get_many(dev, [key(agent)])
    assert (row.name, row.description, row.instructions, row.tool_names) == ("Helper", "", "", [])
    assert (row.model_id, row.version) == (None, 2)


async def test_members_only_read(app: ServiceHarness, dev: Principal, make: Factory) -> None:
    member = await make.principal(Role.MEMBER, beside=dev)
    agent = await create(app, dev)
    for name, fields in {"createAgent": {"name": "x"}, "updateAgent": {"name": "x"}, "deleteAgent": {}}.items():
        id_ = {} if name == "createAgent" else {"id": agent["id"]}
        refusal = await app.mutate(member, name, "{ __typename }", **fields, **id_)
        assert (refusal["__typename"], refusal["code"]) == ("ForbiddenError", "FORBIDDEN")
    assert (await app.ask(member, AGENT, id=agent["id"])).one == agent
    assert (await app.ask(None, AGENTS)).code == "UNAUTHENTICATED"


async def test_another_tenants_agent_does_not_exist(app: ServiceHarness, dev: Principal, make: Factory) -> None:
    eve = await make.principal()
    agent = await create(app, dev)
    for name, fields in {"updateAgent": {"name": "x"}, "deleteAgent": {}}.items():
        refusal = await app.mutate(eve, name, "{ __typename }", id=agent["id"], **fields)
        assert (refusal["__typename"], refusal["code"]) == ("NotFoundError", "NOT_FOUND")
    assert (await app.ask(eve, AGENT, id=agent["id"])).data == {"agent": None}
    assert (await app.ask(eve, "query ($id: ID!) { node(id: $id) { id } }", id=agent["id"])).data == {"node": None}
    assert (await app.ask(eve, AGENTS)).one["totalCount"] == 0
    assert await app.agents.get_many(eve, [key(agent)]) == []
    assert (await app.ask(dev, AGENT, id=agent["id"])).one == agent


async def test_what_is_no_id_of_an_agent_is_refused(app: ServiceHarness, dev: Principal) -> None:
    for id_ in ("", "x", "0" * 10_000, str(new_id()), global_id("Model", new_id())):
        refusal = await update(app, dev, id=id_, name="x")
        assert (refusal["code"], refusal["path"]) == ("INVALID_ID", ["input", "id"])
        assert (await app.ask(dev, AGENT, id=id_)).data == {"agent": None}


async def test_pages_newest_first_in_both_directions(app: ServiceHarness, dev: Principal, make: Factory) -> None:
    for number in range(5):
        await make.agent(dev, name=f"A{number}")
    assert await names(app, dev) == ["A4", "A3", "A2", "A1", "A0"]
    front = await app.ask(dev, AGENTS, first=2)
    assert [agent["name"] for agent in front.nodes] == ["A4", "A3"]
    await make.agent(dev, name="newer")
    rest = await app.ask(dev, AGENTS, first=2, after=front.one["pageInfo"]["endCursor"])
    assert [agent["name"] for agent in rest.nodes] == ["A2", "A1"]
    assert await names(app, dev, last=1, before=rest.one["pageInfo"]["startCursor"]) == ["A3"]
    assert await names(app, dev, first=0) == []
    for arguments, code in (
        ({"after": "garbage"}, "INVALID_CURSOR"),
        ({"first": 101}, "INVALID_PAGE"),
        ({"first": -1}, "INVALID_PAGE"),
        ({"first": 1, "last": 1}, "INVALID_PAGE"),
    ):
        assert (await app.ask(dev, AGENTS, **arguments)).code == code


async def test_searches_names_in_any_case_and_takes_them_literally(
    app: ServiceHarness, dev: Principal, make: Factory
) -> None:
    for name in ("100% Helper", "helpful_one", "助手"):
        await make.agent(dev, name=name)
    assert await names(app, dev, search="HELP") == ["helpful_one", "100% Helper"]
    assert await names(app, dev, search="手") == ["助手"]
    assert await names(app, dev, search="%") == ["100% Helper"]
    assert await names(app, dev, search="l_o") == ["helpful_one"]
    assert await names(app, dev, search="\\") == []
    assert len(await names(app, dev, search=" ")) == 3
    assert (await app.ask(dev, AGENTS, search="HELP", first=1)).one["totalCount"] == 2
    for search in ("x" * 201, "a\0b"):
        refused = await app.ask(dev, AGENTS, search=search)
        assert (refused.code, refused.errors[0]["extensions"]["path"]) == ("BAD_USER_INPUT", ["search"])


async def test_a_page_with_models_and_tools_costs_three_statements(
    app: ServiceHarness, dev: Principal, make: Factory
) -> None:
    default = await make.model(dev, is_default=True)
    models = [None, default, *[await make.model(dev) for _ in range(3)]]
    for number in range(20):
        await make.agent(dev, model=models[number % 5], tools=["wait", "calculator"])
    with statements(app.database) as queries:
        answer = await app.ask(dev, "{ agents { edges { node { id name } } } }")
    assert (len(answer.nodes), len(queries)) == (20, 1)
    with statements(app.database) as queries:
        nested = "model { name } effectiveModel { name isDefault } tools { name }"
        answer = await app.ask(dev, f"{{ agents {{ edges {{ node {{ name {nested} }} }} }} }}")
    assert (len(answer.nodes), len(queries)) == (20, 3)
    assert {agent["effectiveModel"]["isDefault"] for agent in answer.nodes if agent["model"] is None} == {True}


async def test_nodes_of_many_agents_cost_one_statement(app: ServiceHarness, dev: Principal, make: Factory) -> None:
    ids = [global_id("Agent", (await make.agent(dev)).id) for _ in range(5)]
    with statements(app.database) as queries:
        answer = await app.ask(dev, "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=ids)
    assert answer.data == {"nodes": [{"id": id_} for id_ in ids]}
    assert len(queries) == 1


async def test_a_choice_outlives_its_tool(app: ServiceHarness, dev: Principal) -> None:
    agent = await create(app, dev, toolNames=["wait", "calculator"])
    app.toolbox.names.remove("wait")
    row = (await app.ask(dev, AGENT, id=agent["id"])).one
    assert (row["toolNames"], row["tools"]) == (["wait", "calculator"], [{"name": "calculator"}])
    renamed = (await update(app, dev, id=agent["id"], name="Renamed"))["agent"]
    assert renamed["toolNames"] == ["wait", "calculator"]
    refusal = await app.mutate(dev, "createAgent", "{ agent { id } }", name="Other", toolNames=["wait"])
    assert refusal["code"] == "UNKNOWN_TOOL"


STARTERS = "{ agent { id greeting starters definition } }"


async def test_greeting_and_starters_are_kept_exported_and_cleared(app: ServiceHarness, dev: Principal) -> None:
    beginning = {"greeting": "Hello!\nI am **Grace**.", "starters": ["What is 6*7?", " 天气怎么样？ "]}
    fields = {**beginning, "starters": ["What is 6*7?", "天气怎么样？"]}
    agent = (await app.mutate(dev, "createAgent", STARTERS, name="Grace", **beginning))["agent"]
    assert {name: agent[name] for name in fields} == fields
    assert {name: agent["definition"][name] for name in fields} == fields
    file = AgentDefinition.parse(dumps({**agent["definition"], "name": "Copy"}))
    copy, _ = await app.agents.import_file(dev, dumps(file.to_json()), name=None)
    assert (copy.greeting, copy.starters) == (fields["greeting"], fields["starters"])
    await app.mutate(dev, "updateAgent", STARTERS, id=agent["id"], description="Other")
    cleared = (await app.mutate(dev, "updateAgent", STARTERS, id=agent["id"], greeting=None, starters=None))["agent"]
    assert (cleared["greeting"], cleared["starters"]) == ("", [])
    assert not {"greeting", "starters"} & set(cleared["definition"])


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"greeting": "x" * 2_001}, ["greeting"]),
        ({"starters": ["x"] * 7}, ["starters"]),
        ({"starters": ["fine", "two\nlines"]}, ["starters", "1"]),
        ({"starters": ["x" * 201]}, ["starters", "0"]),
        ({"starters": ["  "]}, ["starters", "0"]),
    ],
)
async def test_a_beginning_that_no_page_could_show_is_refused(
    app: ServiceHarness, dev: Principal, fields: Data, path: list[str]
) -> None:
    refused = await app.mutate(dev, "createAgent", STARTERS, name="Grace", **fields)
    assert (refused["__typename"], refused["path"]) == ("ValidationError", ["input", *path])
