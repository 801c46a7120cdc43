"""Health of models, from what a router sees of real servers."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from pydantic import SecretStr

from nexent_gql.adapters.events_memory import MemoryEventLog
from nexent_gql.adapters.llm_accounting import CallAccounts
from nexent_gql.adapters.llm_capacity import CapacitySettings, MemoryCapacity
from nexent_gql.adapters.llm_gateway import LanguageModelGateway
from nexent_gql.adapters.llm_metering import MeteredModels
from nexent_gql.adapters.llm_openai import OpenAIModels
from nexent_gql.adapters.llm_router import ModelRouter, RetryPolicy
from nexent_gql.adapters.secrets_aesgcm import AesGcmSecretBox
from nexent_gql.api.schema.relay import global_id
from nexent_gql.db.session import Database
from nexent_gql.domains.models.health import HealthRecorder, ModelHealthService
from nexent_gql.domains.models.ledger import CallLedger
from nexent_gql.domains.models.prices import PriceTable
from nexent_gql.domains.models.service import ModelService
from nexent_gql.domains.models.tables import ChatModel, ModelHealthChange
from nexent_gql.kernel.clock import utc_now
from nexent_gql.kernel.errors import ForbiddenError
from nexent_gql.kernel.page import InvalidCursorError
from nexent_gql.kernel.principal import Principal, Role
from nexent_gql.ports.llm import CallAttribution, ChatMessage, ChatRequest, Dialect, ModelEndpoint
from nexent_gql.ports.llm_routes import Deployment, ModelRoute
from nexent_gql.streams.cursors import cursor
from tests.support import fake_provider as fake
from tests.support.direct_graphql import Data, DirectGraphQL
from tests.support.factory import Factory
from tests.support.fake_provider import FakeProvider, Text, fake_provider
from tests.support.llm import plain_client
from tests.support.routing import collect
from tests.support.statements import statements

if TYPE_CHECKING:
    from nexent_gql.services import Services

HEALTH = """
query ($id: ID!) { model(id: $id) {
  health { state calls failedCalls firstTokenP50Ms activeCalls }
  healthHistory { available failures code advice providerMessage }
} }
"""
MODELS = "{ models { edges { node { health { state } healthHistory { available } } } } }"


@dataclass
class World:
    """A router whose accounts and changes go to the database, and the services that read them."""

    database: Database
    provider: FakeProvider
    router: ModelRouter
    health: ModelHealthService
    graphql: DirectGraphQL
    developer: Principal
    model: ChatModel

    async def call(self) -> str | None:
        """Make a call as a run does; return the code of its failure."""
        endpoint = ModelEndpoint(Dialect.OPENAI, "m", self.provider.base_url, model_id=self.model.id)
        attribution = CallAttribution(self.developer.tenant_id, self.developer.user_id, "RUN")
        request = ChatRequest((ChatMessage.from_text("user", "Hi"),), attribution=attribution)
        return (await collect(self.router.stream(ModelRoute(((Deployment(endpoint),),)), request))).error_code

    async def read(self, actor: Principal | None = None) -> Data:
        id_ = global_id("Model", self.model.id)
        return (await self.graphql(actor or self.developer, HEALTH, id=id_)).one


@pytest.fixture
async def world(database: Database, make: Factory) -> AsyncGenerator[World]:
    developer = await make.principal(Role.DEVELOPER)
    model = await make.model(developer, name="one")
    log, capacity = MemoryEventLog(), MemoryCapacity(CapacitySettings(open_s=0.2, max_open_s=0.2, down_s=0.2))
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(fake_provider())
        client = await stack.enter_async_context(plain_client())
        gateway = LanguageModelGateway({Dialect.OPENAI: OpenAIModels(client)})
        metered = MeteredModels(gateway, CallAccounts(CallLedger(database, PriceTable([]), utc_now), utc_now))
        recorder = HealthRecorder(database, log, utc_now)
        router = ModelRouter(metered, capacity, retry=RetryPolicy(rounds=1), on_circuit_change=recorder, idle_s=0.2)
        stack.push_async_callback(router.aclose)
        health = ModelHealthService(database, capacity, log, utc_now)
        models = ModelService(database, gateway, AesGcmSecretBox([SecretStr("k" * 40)]), utc_now)
        services = SimpleNamespace(models=models, model_health=health)
        graphql = DirectGraphQL(cast("Services", services))
        yield World(database, provider, router, health, graphql, developer, model)


async def test_a_model_that_works_is_healthy(world: World) -> None:
    assert (await world.read())["health"]["state"] == "UNKNOWN"
    world.provider.script("m", [Text("Fine.")])
    assert await world.call() is None
    await world.router.aclose()
    health = (await world.read())["health"]
    assert (health["state"], health["calls"], health["failedCalls"]) == ("HEALTHY", 1, 0)
    assert health["firstTokenP50Ms"] >= 0


async def test_a_model_that_fails_has_a_reason_and_is_found_again_without_calls(world: World) -> None:
    world.provider.script("m", [fake.Status(401, "the key has expired")])
    stream = await world.health.follow(world.developer, after=None)
    first = asyncio.create_task(anext(aiter(stream)))
    await asyncio.sleep(0.05)
    assert await world.call() == "MODEL_KEY_REFUSED"
    async with asyncio.timeout(30):
        change = (await first).view
    assert isinstance(change, ModelHealthChange)
    assert (change.state, change.error_code) == ("OPEN", "MODEL_KEY_REFUSED")
    health_answer = await world.read()
    assert health_answer["health"]["state"] == "UNAVAILABLE"
    [entry] = health_answer["healthHistory"]
    assert (entry["available"], entry["failures"], entry["code"]) == (False, 1, "MODEL_KEY_REFUSED")
    assert "expired" in entry["providerMessage"]
    assert "key" in entry["advice"]
    world.provider.script("m", [Text("OK")])
    async with asyncio.timeout(30):
        again = (await anext(aiter(stream))).view
    assert isinstance(again, ModelHealthChange)
    assert again.state == "CLOSED"
    health_answer = await world.read()
    assert [entry["available"] for entry in health_answer["healthHistory"]] == [True, False]
    resumed = await world.health.follow(world.developer, after=cursor(world.developer.tenant_id, 1))
    assert (await anext(aiter(resumed))).seq == 2


async def test_an_unsteady_model_is_degraded(world: World) -> None:
    for steps in ([Text("Fine.")], [fake.Status(500)]) * 3:
        world.provider.script("m", steps)
        await world.call()
    await world.router.aclose()
    assert (await world.read())["health"] | {"firstTokenP50Ms": 0} == {
        "state": "DEGRADED",
        "calls": 6,
        "failedCalls": 3,
        "firstTokenP50Ms": 0,
        "activeCalls": 0,
    }


async def test_only_developers_of_the_tenant_see_it(world: World, make: Factory) -> None:
    world.provider.script("m", [fake.Status(401)])
    await world.call()
    await world.router.aclose()
    member = await make.principal(Role.MEMBER, beside=world.developer)
    assert await world.read(member) == {"health": None, "healthHistory": []}
    with pytest.raises(ForbiddenError):
        await world.health.follow(member, after=None)
    stranger = await make.principal(Role.DEVELOPER)
    assert (await world.graphql(stranger, HEALTH, id=global_id("Model", world.model.id))).data == {"model": None}
    assert await world.health.history_of_many(stranger, [world.model.id]) == {}
    with pytest.raises(InvalidCursorError):
        await world.health.follow(stranger, after=cursor(world.developer.tenant_id, 1))


async def test_many_models_take_as_many_statements_as_one(world: World, make: Factory) -> None:
    counts: list[int] = []
    for _ in range(2):
        with statements(world.database) as queries:
            assert (await world.graphql(world.developer, MODELS)).nodes
        counts.append(len(queries))
        await make.model(world.developer)
    assert counts[0] == counts[1]
