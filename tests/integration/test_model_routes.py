"""Routes through the schema, and the route that a run keeps."""

import asyncio
from collections.abc import AsyncGenerator
from typing import cast

import pytest
from sqlalchemy import text

from nexent_gql.api.schema.relay import global_id, parse_id
from nexent_gql.db.session import Database
from nexent_gql.domains.agents.tables import Agent
from nexent_gql.domains.models.errors import ChatModelNotFoundError
from nexent_gql.domains.models.tables import ChatModel
from nexent_gql.domains.runs.frozen_route import freeze_route, open_route
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.json import JsonObject, dumps, loads_object
from nexent_gql.kernel.principal import Principal, Role
from nexent_gql.ports.llm_routes import MidAnswerPolicy, ModelRoute
from tests.support.direct_graphql import Data
from tests.support.factory import Factory
from tests.support.service_harness import ServiceHarness, harness
from tests.support.statements import statements

FIELDS = "id name midAnswerPolicy firstTokenSeconds groups { deployments { weight model { name } } }"
ROUTES = f"{{ modelRoutes {{ totalCount edges {{ node {{ {FIELDS} }} }} }} }}"
ROUTE = f"query ($id: ID!) {{ modelRoute(id: $id) {{ {FIELDS} }} node(id: $id) {{ id }} }}"
WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
AGENT = "{ agent { id model { name } route { name } effectiveModel { name } } }"


@pytest.fixture
async def app(database: Database) -> AsyncGenerator[ServiceHarness]:
    async with harness(database) as app:
        yield app


@pytest.fixture
async def dev(make: Factory) -> Principal:
    return await make.principal(Role.DEVELOPER)


def group(*models: ChatModel, weight: int = 1) -> Data:
    return {"deployments": [{"modelId": global_id("Model", model.id), "weight": weight} for model in models]}


async def create(app: ServiceHarness, actor: Principal, *groups: Data, **fields: object) -> Data:
    input_ = {"name": "Main", "groups": [*groups], **fields}
    return await app.mutate(actor, "createModelRoute", f"{{ modelRoute {{ {FIELDS} }} }}", **input_)


async def test_creates_lists_and_changes_a_route(app: ServiceHarness, dev: Principal, make: Factory) -> None:
    one, two, three = [await make.model(dev, name=name) for name in ("one", "two", "three")]
    route = (await create(app, dev, group(one, two, weight=3), group(three)))["modelRoute"]
    assert route == {
        "id": route["id"],
        "name": "Main",
        "midAnswerPolicy": "RESTART",
        "firstTokenSeconds": None,
        "groups": [
            {"deployments": [{"weight": 3, "model": {"name": "one"}}, {"weight": 3, "model": {"name": "two"}}]},
            {"deployments": [{"weight": 1, "model": {"name": "three"}}]},
        ],
    }
    assert (await app.ask(dev, ROUTES)).nodes == [route]
    fields = f"{{ modelRoute {{ {FIELDS} }} }}"
    changes = {"groups": [group(two)], "midAnswerPolicy": "CONTINUE", "firstTokenSeconds": 5}
    changed = (await app.mutate(dev, "updateModelRoute", fields, id=route["id"], **changes))["modelRoute"]
    assert changed == route | changes | {"groups": [{"deployments": [{"weight": 1, "model": {"name": "two"}}]}]}
    cleared = await app.mutate(dev, "updateModelRoute", fields, id=route["id"], firstTokenSeconds=None, name="X")
    assert cleared["modelRoute"] == changed | {"firstTokenSeconds": None, "name": "X"}


async def test_lists_routes_with_a_fixed_number_of_queries(
    app: ServiceHarness, dev: Principal, make: Factory, database: Database
) -> None:
    model = await make.model(dev)
    counts: list[int] = []
    for name in "ab":
        await create(app, dev, group(model), name=name)
        with statements(database) as executed:
            assert (await app.ask(dev, ROUTES)).nodes
        counts.append(len(executed))
    assert counts[0] == counts[1]


async def test_refuses_what_makes_no_sense(app: ServiceHarness, dev: Principal, make: Factory) -> None:
    model = await make.model(dev)
    invalid: list[list[Data]] = [[], [{"deployments": []}], [group(model), group(model)], [group(model, weight=0)]]
    for groups in invalid:
        answer = await create(app, dev, *groups)
        assert (answer["__typename"], answer["path"][:2]) == ("ValidationError", ["input", "groups"])
    answer = await create(app, dev, group(model), firstTokenSeconds=0)
    assert answer["path"] == ["input", "firstTokenSeconds"]
    assert (await create(app, dev, group(model)))["__typename"] == "CreateModelRoutePayload"
    assert (await create(app, dev, group(model)))["code"] == "ROUTE_NAME_TAKEN"


async def test_another_tenant_sees_and_uses_nothing(app: ServiceHarness, dev: Principal, make: Factory) -> None:
    model = await make.model(dev)
    route = (await create(app, dev, group(model)))["modelRoute"]
    stranger = await make.principal(Role.DEVELOPER)
    assert (await app.ask(stranger, ROUTE, id=route["id"])).data == {"modelRoute": None, "node": None}
    assert (await create(app, stranger, group(model)))["code"] == "NOT_FOUND"
    for name, fields in (("updateModelRoute", {"name": "Mine"}), ("deleteModelRoute", {})):
        payload = "{ __typename }"
        assert (await app.mutate(stranger, name, payload, id=route["id"], **fields))["code"] == "NOT_FOUND"
    answer = await app.mutate(stranger, "createAgent", AGENT, name="Spy", routeId=route["id"])
    assert answer["code"] == "NOT_FOUND"


async def test_members_read_but_do_not_change(app: ServiceHarness, dev: Principal, make: Factory) -> None:
    model = await make.model(dev)
    await create(app, dev, group(model))
    member = await make.principal(Role.MEMBER, beside=dev)
    assert len((await app.ask(member, ROUTES)).nodes) == 1
    assert (await create(app, member, group(model), name="Other"))["code"] == "FORBIDDEN"


async def test_an_agent_has_a_model_or_a_route(app: ServiceHarness, dev: Principal, make: Factory) -> None:
    model = await make.model(dev, name="one")
    model_id, route = global_id("Model", model.id), (await create(app, dev, group(model)))["modelRoute"]
    both = await app.mutate(dev, "createAgent", AGENT, name="Ada", routeId=route["id"], modelId=model_id)
    assert both["path"] == ["input", "routeId"]
    agent = (await app.mutate(dev, "createAgent", AGENT, name="Ada", routeId=route["id"]))["agent"]
    assert agent == {"id": agent["id"], "model": None, "route": {"name": "Main"}, "effectiveModel": None}
    agent = (await app.mutate(dev, "updateAgent", AGENT, id=agent["id"], modelId=model_id))["agent"]
    assert (agent["model"], agent["route"]) == ({"name": "one"}, None)
    agent = (await app.mutate(dev, "updateAgent", AGENT, id=agent["id"], routeId=route["id"]))["agent"]
    assert (agent["model"], agent["route"]) == (None, {"name": "Main"})


async def test_what_is_in_use_stays(app: ServiceHarness, dev: Principal, make: Factory) -> None:
    model = await make.model(dev)
    route = (await create(app, dev, group(model)))["modelRoute"]
    fields = "{ deletedId } ... on ModelInUseError { agents { name } routes { name } }"
    refused = await app.mutate(dev, "deleteModel", fields, id=global_id("Model", model.id))
    assert (refused["code"], refused["routes"]) == ("MODEL_IN_USE", [{"name": "Main"}])
    agent = (await app.mutate(dev, "createAgent", AGENT, name="Ada", routeId=route["id"]))["agent"]
    refused = await app.mutate(dev, "deleteModelRoute", "{ deletedId }", id=route["id"])
    assert refused["code"] == "ROUTE_IN_USE"
    await app.mutate(dev, "deleteAgent", "{ deletedId }", id=agent["id"])
    assert (await app.mutate(dev, "deleteModelRoute", "{ deletedId }", id=route["id"]))["deletedId"] == route["id"]
    payload = await app.mutate(dev, "deleteModel", "{ deletedId }", id=global_id("Model", model.id))
    assert payload["__typename"] == "DeleteModelPayload"


class Spec:
    """The stored route of an agent, and what a run makes of it."""

    def __init__(self, app: ServiceHarness, actor: Principal) -> None:
        self.app = app
        self.actor = actor
        self.stored: JsonObject = {}

    async def freeze(self, route_id: str) -> None:
        agent = Agent(
            tenant_id=self.actor.tenant_id,
            name="Ada",
            route_id=parse_id(route_id, "ModelRoute"),
            created_by=self.actor.user_id,
        )
        async with self.app.database.read(self.actor.tenant_id) as session:
            self.stored = loads_object(dumps({"model_id": None, "route": await freeze_route(session, agent)}))

    async def open(self) -> ModelRoute:
        async with self.app.database.read(self.actor.tenant_id) as session:
            return await open_route(session, self.actor.tenant_id, self.app.models, self.stored, "talk")


async def test_a_run_keeps_the_route_that_it_was_requested_with(
    app: ServiceHarness, dev: Principal, make: Factory
) -> None:
    one, two = [await make.model(dev, name=name) for name in ("one", "two")]
    route = (await create(app, dev, group(one), group(two, weight=7), midAnswerPolicy="CONTINUE"))["modelRoute"]
    spec = Spec(app, dev)
    await spec.freeze(route["id"])
    await app.mutate(dev, "updateModelRoute", "{ __typename }", id=route["id"], groups=[group(two)])
    opened = await spec.open()
    assert [[(each.name, each.weight) for each in group] for group in opened.groups] == [[("one", 1)], [("two", 7)]]
    assert (opened.mid_answer_policy, opened.affinity) == (MidAnswerPolicy.CONTINUE, "talk")
    assert opened.deployments[0].endpoint.model_id == one.id


async def test_models_that_were_deleted_since_are_left_out(app: ServiceHarness, dev: Principal, make: Factory) -> None:
    one, two = [await make.model(dev, name=name) for name in ("one", "two")]
    route = (await create(app, dev, group(one), group(two)))["modelRoute"]
    spec = Spec(app, dev)
    await spec.freeze(route["id"])
    await app.mutate(dev, "deleteModelRoute", "{ deletedId }", id=route["id"])
    await app.mutate(dev, "deleteModel", "{ deletedId }", id=global_id("Model", one.id))
    assert [each.name for each in (await spec.open()).deployments] == ["two"]
    groups = cast("list[list[JsonObject]]", cast("JsonObject", spec.stored["route"])["groups"])
    groups[1][0]["model_id"] = str(new_id())
    with pytest.raises(ChatModelNotFoundError):
        await spec.open()


async def test_a_model_has_limits(app: ServiceHarness, dev: Principal) -> None:
    fields = "{ model { id limits { requestsPerMinute tokensPerMinute concurrentRequests } } }"
    limits = {"requestsPerMinute": 60, "tokensPerMinute": None, "concurrentRequests": 4}
    model = {"name": "GPT", "provider": "OPENAI", "providerModel": "gpt-4o-mini"}
    registered = (await app.mutate(dev, "registerModel", fields, **model, limits=limits))["model"]
    assert registered["limits"] == limits
    changed = await app.mutate(dev, "updateModel", fields, id=registered["id"], name="Other")
    assert changed["model"]["limits"] == limits
    cleared = await app.mutate(dev, "updateModel", fields, id=registered["id"], limits=None)
    assert set(cleared["model"]["limits"].values()) == {None}
    refused = await app.mutate(dev, "updateModel", fields, id=registered["id"], limits={"concurrentRequests": 0})
    assert refused["path"] == ["input", "limits", "concurrentRequests"]


async def is_waiting(database: Database, actor: Principal) -> bool:
    """Tell whether a statement waits for a lock; each transaction sees one snapshot of the activity."""
    async with database.read(actor.tenant_id) as session:
        return bool((await session.execute(WAITING)).scalar_one())


async def test_a_model_that_is_deleted_meanwhile_is_not_found(
    app: ServiceHarness, dev: Principal, make: Factory, database: Database
) -> None:
    model = await make.model(dev)
    async with database.transaction(dev.tenant_id) as session:
        await session.delete(await session.merge(model))
        await session.flush()
        creation = asyncio.create_task(create(app, dev, group(model)))
        async with asyncio.timeout(30):
            while not await is_waiting(database, dev):  # noqa: ASYNC110 - Postgres tells nobody
                await asyncio.sleep(0.02)
    refused = await creation
    assert (refused["__typename"], refused["code"]) == ("NotFoundError", "NOT_FOUND")
    assert "`modelId`" in refused["message"]
