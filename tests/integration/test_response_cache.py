"""Answers that were given before: reused for exactly the same request, and asked for by one process at a time."""

import asyncio
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlmodel import col

from nexent_gql.adapters.engine_smolagents import SmolagentsEngine
from nexent_gql.adapters.llm_accounting import CallAccounts
from nexent_gql.adapters.llm_capacity import MemoryCapacity
from nexent_gql.adapters.llm_gateway import LanguageModelGateway
from nexent_gql.adapters.llm_metering import MeteredModels
from nexent_gql.adapters.llm_openai import OpenAIModels
from nexent_gql.adapters.llm_response_cache import CachedRoutes
from nexent_gql.adapters.llm_router import ModelRouter, RetryPolicy
from nexent_gql.adapters.redis_client import open_redis
from nexent_gql.adapters.response_cache_redis import RedisResponseCache
from nexent_gql.adapters.sandbox_monty import MontySandbox
from nexent_gql.db.session import Database
from nexent_gql.domains.models.ledger import CallLedger
from nexent_gql.domains.models.prices import PriceTable
from nexent_gql.domains.models.tables import ModelCall
from nexent_gql.domains.models.usage import TimeRange, UsageFilter, UsageService
from nexent_gql.kernel.clock import utc_now
from nexent_gql.kernel.errors import UnavailableError
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.principal import Principal, Role
from nexent_gql.ports.llm import (
    CallAttribution,
    ChatMessage,
    ChatRequest,
    Dialect,
    Finished,
    ModelEndpoint,
    ModelProfile,
    ReasoningChunk,
    TextChunk,
    Usage,
)
from nexent_gql.ports.llm_routes import CachedAnswer, Deployment, ModelRoute, RouteChunk
from nexent_gql.ports.run_events import AnswerCached
from tests.support.agent_runs import MemoryRun, spec_of
from tests.support.factory import Factory
from tests.support.fake_provider import FakeProvider, Finish, Reasoning, Stall, Status, Step, Text, fake_provider
from tests.support.llm import CLOCK, plain_client
from tests.support.routing import RouteReply, collect
from tests.support.service_harness import harness
from tests.support.toolbox import BuiltinTools
from tests.support.valkey import ValkeyUnderTest, running_valkey

DIGEST = "the digest of an answer that somebody else asks for"


@pytest.fixture(scope="module")
def valkey() -> Generator[ValkeyUnderTest]:
    with running_valkey() as running:
        yield running


class LostCache:
    """Implements `ResponseCache`: one that does not answer."""

    async def find(self, tenant_id: UUID, digest: str) -> bytes | None:
        raise UnavailableError(f"{tenant_id} {digest}")

    async def store(self, tenant_id: UUID, digest: str, value: bytes, ttl_s: float) -> None:
        raise UnavailableError(f"{tenant_id} {digest} {len(value)} {ttl_s}")

    async def acquire(self, tenant_id: UUID, digest: str, owner: str) -> bool:
        raise UnavailableError(f"{tenant_id} {digest} {owner}")

    async def release(self, tenant_id: UUID, digest: str, owner: str) -> None:
        raise UnavailableError(f"{tenant_id} {digest} {owner}")


@dataclass
class Stage:
    """Two workers with caches in one Redis, and a provider."""

    provider: FakeProvider
    router: ModelRouter
    ledger: CallLedger
    caches: Sequence[RedisResponseCache]
    workers: Sequence[CachedRoutes]
    actor: Principal
    days: list[int]
    model_id: UUID

    def route(self, **changes: object) -> ModelRoute:
        endpoint = ModelEndpoint(
            Dialect.OPENAI,
            "m",
            self.provider.base_url,
            model_id=self.model_id,
            display_name="One",
            response_cache_s=3_600,
        )
        return ModelRoute(((Deployment(replace(endpoint, **changes)),),))  # type: ignore[arg-type]

    def request(self, text: str = "Hi", actor: Principal | None = None) -> ChatRequest:
        actor = actor or self.actor
        attribution = CallAttribution(actor.tenant_id, actor.user_id, "RUN", new_id(), 1)
        return ChatRequest((ChatMessage.from_text("user", text),), attribution=attribution)

    async def ask(
        self, request: ChatRequest | None = None, *, worker: int = 0, route: ModelRoute | None = None
    ) -> RouteReply:
        return await collect(self.workers[worker].stream(route or self.route(), request or self.request()))

    def script(self, *steps: Step) -> None:
        self.provider.script("m", steps)

    @property
    def calls(self) -> int:
        return len(self.provider.requests)


@pytest.fixture
async def stage(database: Database, make: Factory, valkey: ValkeyUnderTest) -> AsyncGenerator[Stage]:
    days = [0]
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(fake_provider())
        client = await stack.enter_async_context(plain_client())
        ledger = CallLedger(database, PriceTable([]), utc_now)
        metered = MeteredModels(
            LanguageModelGateway({Dialect.OPENAI: OpenAIModels(client)}), CallAccounts(ledger, utc_now)
        )
        router = ModelRouter(metered, MemoryCapacity(), retry=RetryPolicy(rounds=1))
        stack.push_async_callback(router.aclose)
        caches: list[RedisResponseCache] = []
        for _ in range(2):
            redis = await stack.enter_async_context(open_redis(valkey.url))
            clock = lambda: utc_now() + timedelta(days=days[0])  # noqa: E731 - shifted by tests
            caches.append(RedisResponseCache(redis.commands, clock, max_bytes=1_000_000, lease_s=2))
        workers = [CachedRoutes(router, cache, ledger, utc_now, timeout_s=30) for cache in caches]
        actor = await make.principal(Role.DEVELOPER)
        yield Stage(provider, router, ledger, caches, workers, actor, days, new_id())


def plain(chunks: Sequence[RouteChunk]) -> tuple[str, str]:
    texts = "".join(chunk.text for chunk in chunks if isinstance(chunk, TextChunk))
    return texts, "".join(chunk.text for chunk in chunks if isinstance(chunk, ReasoningChunk))


async def test_an_answer_is_reused_and_costs_nothing(stage: Stage, database: Database) -> None:
    stage.script(Reasoning("Hm."), Text("Hello."))
    first, second = await stage.ask(), await stage.ask(worker=1)
    assert stage.calls == 1
    assert stage.provider.requests[0].body["temperature"] == 0
    assert plain(second.chunks) == plain(first.chunks) == ("Hello.", "Hm.")
    assert second.chunks[0] == CachedAnswer("One")
    assert second.chunks[-1] == Finished("stop", Usage(), Decimal(), str(stage.model_id))
    async with database.read(stage.actor.tenant_id) as session:
        rows = list(await session.scalars(select(ModelCall).order_by(col(ModelCall.created_at))))
    assert [(row.is_cached, row.cost_usd, row.input_tokens > 0) for row in rows] == [
        (False, None, True),
        (True, 0, False),
    ]
    usage = await UsageService(database, utc_now).sum_up(stage.actor, UsageFilter(), (), TimeRange())
    assert [(row.calls, row.cached_calls) for row in usage] == [(2, 1)]
    metrics = await UsageService(database, utc_now).metrics(stage.actor, TimeRange())
    assert [row.calls for row in metrics] == [1]


async def test_what_must_not_be_reused_is_asked_again(stage: Stage, make: Factory) -> None:
    stage.script(Text("Hello."))
    requests = [
        (stage.request(), stage.route()),
        (stage.request("Another"), stage.route()),
        (stage.request(actor=await make.principal()), stage.route()),
        (replace(stage.request(), tools=(CLOCK,)), stage.route()),
        (replace(stage.request(), attribution=None), stage.route()),
        (replace(stage.request(), max_output_tokens=5), stage.route()),
        (stage.request(), stage.route(response_cache_s=None)),
        (stage.request(), stage.route(profile=ModelProfile(has_sampling=False))),
        (stage.request(), stage.route(query="v=2")),
    ]
    for request, route in requests:
        reply = await stage.ask(request, route=route)
        assert reply.error_code is None
        assert not any(isinstance(chunk, CachedAnswer) for chunk in reply.chunks)
    assert stage.calls == len(requests)
    assert isinstance((await stage.ask()).chunks[0], CachedAnswer)
    stage.days[0] = 1
    assert not isinstance((await stage.ask()).chunks[0], CachedAnswer)


@pytest.mark.parametrize("steps", [[Text("Half"), Finish("length")], [Status(401, "no")], [Text("x" * 300_000)]])
async def test_only_whole_answers_of_a_usual_size_are_kept(stage: Stage, steps: list[Step]) -> None:
    stage.script(*steps)
    for _ in "12":
        await stage.ask()
    assert stage.calls == 2


async def test_one_of_several_processes_asks_the_model(stage: Stage) -> None:
    stage.script(Text("He"), Stall(0.5), Text("llo."))
    replies = await asyncio.gather(*(stage.ask(worker=number % 2) for number in range(6)))
    assert stage.calls == 1
    assert {plain(reply.chunks)[0] for reply in replies} == {"Hello."}


async def test_the_next_one_asks_when_the_first_fails(stage: Stage) -> None:
    stage.script(Status(404, "gone", code="model_not_found", times=1), Text("Hello."))
    replies = await asyncio.gather(*(stage.ask(worker=number) for number in range(2)))
    assert sorted(reply.error_code or "" for reply in replies) == ["", "MODEL_NOT_FOUND"]
    assert stage.calls == 2


async def test_the_lease_of_a_dead_process_ends(stage: Stage) -> None:
    first, second = stage.caches
    tenant_id = stage.actor.tenant_id
    assert await first.acquire(tenant_id, DIGEST, "dead")
    assert not await second.acquire(tenant_id, DIGEST, "alive")
    await second.release(tenant_id, DIGEST, "alive")  # not its lease
    assert not await second.acquire(tenant_id, DIGEST, "alive")
    async with asyncio.timeout(30):
        while not await second.acquire(tenant_id, DIGEST, "alive"):  # noqa: ASYNC110 - Redis tells nobody
            await asyncio.sleep(0.1)
    assert not await first.acquire(tenant_id, DIGEST, "dead")


async def test_without_the_cache_models_answer_as_usual(stage: Stage) -> None:
    stage.script(Text("Hello."))
    routes = CachedRoutes(stage.router, LostCache(), stage.ledger, utc_now)
    for _ in "12":
        assert (await collect(routes.stream(stage.route(), stage.request()))).error_code is None
    assert stage.calls == 2


async def test_a_run_has_an_event_of_it(stage: Stage) -> None:
    stage.script(Text("Hello."))
    runs = [MemoryRun(), MemoryRun()]
    async with MontySandbox() as sandbox:
        engine = SmolagentsEngine(stage.workers[0], BuiltinTools().dispatcher, sandbox)
        for port in runs:
            await port.attempt(engine, replace(spec_of(), route=stage.route(), tools=()))
    assert [port.text for port in runs] == ["Hello.", "Hello."]
    assert [port.of(AnswerCached) for port in runs] == [[], [AnswerCached(step=1, model="One")]]


async def test_it_is_switched_on_by_model(database: Database, stage: Stage) -> None:
    fields = "{ model { id responseCacheSeconds } }"
    async with harness(database) as app:
        model = {"name": "One", "provider": "OFFLINE", "providerModel": "offline", "responseCacheSeconds": 60}
        registered = (await app.mutate(stage.actor, "registerModel", fields, **model))["model"]
        assert registered["responseCacheSeconds"] == 60
        endpoint = await app.endpoint(stage.actor.tenant_id, None)
        assert endpoint.response_cache_s == 60
        for seconds, stored_s in ((None, None), (604_800, 604_800)):
            changed = await app.mutate(
                stage.actor, "updateModel", fields, id=registered["id"], responseCacheSeconds=seconds
            )
            assert changed["model"]["responseCacheSeconds"] == stored_s
        refused = await app.mutate(stage.actor, "updateModel", fields, id=registered["id"], responseCacheSeconds=0)
        assert refused["path"] == ["input", "responseCacheSeconds"]
