"""Embedding and reranking models within their limits, and how their failures show."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import select
from sqlmodel import col

from nexent_gql.adapters.embedding_cache import CachedEmbeddingModels
from nexent_gql.adapters.embedding_gateway import EmbeddingGateway
from nexent_gql.adapters.embedding_metering import MeteredEmbeddingModels
from nexent_gql.adapters.embedding_trials import EmbeddingTrials, VectorDialects
from nexent_gql.adapters.embeddings_http import HttpVectorModels
from nexent_gql.adapters.events_memory import MemoryEventLog
from nexent_gql.adapters.llm_accounting import CallAccounts
from nexent_gql.adapters.llm_capacity import CapacitySettings, MemoryCapacity
from nexent_gql.adapters.llm_gateway import LanguageModelGateway
from nexent_gql.adapters.llm_router import ModelRouter, RoutedVectorModels
from nexent_gql.adapters.llm_router.retries import RetryBudgets, RetryPolicy
from nexent_gql.adapters.redis_client import open_redis
from nexent_gql.adapters.tenant_cache_redis import RedisTenantCache
from nexent_gql.db.session import Database
from nexent_gql.domains.models.health import HealthRecorder, HealthState, ModelHealthService
from nexent_gql.domains.models.ledger import CallLedger
from nexent_gql.domains.models.prices import PriceTable
from nexent_gql.domains.models.tables import ChatModel, ModelCall
from nexent_gql.kernel.clock import utc_now
from nexent_gql.kernel.principal import Principal, Role
from nexent_gql.ports.embeddings import EmbeddingRequest
from nexent_gql.ports.llm import CallAttribution, Dialect, ModelEndpoint, ModelError, ModelKind
from nexent_gql.ports.llm_limits import ModelLimits
from nexent_gql.ports.llm_routes import Deployment, ModelRoute, VectorSpace
from nexent_gql.ports.rerank import RerankRequest
from nexent_gql.telemetry.models import ModelMetrics
from tests.support.factory import Factory
from tests.support.fake_provider import FakeProvider, fake_provider
from tests.support.fake_vectors import Fault
from tests.support.llm import plain_client
from tests.support.waiting import eventually


@dataclass
class Stage:
    """A gateway whose calls go through limits and circuits, as in a process of the installation."""

    provider: FakeProvider
    models: CachedEmbeddingModels
    health: ModelHealthService
    registry: CollectorRegistry
    actor: Principal
    model: ChatModel
    retries: RetryBudgets

    @property
    def endpoint(self) -> ModelEndpoint:
        return ModelEndpoint(
            Dialect.OPENAI, "m", self.provider.base_url, model_id=self.model.id, kind=ModelKind.EMBEDDING
        )

    @property
    def attribution(self) -> CallAttribution:
        return CallAttribution(self.actor.tenant_id, self.actor.user_id, "INGESTION")

    async def embed(self, text: str, limits: ModelLimits | None = None) -> None:
        endpoint = replace(self.endpoint, limits=limits or ModelLimits())
        await self.models.embed(ModelRoute.of(endpoint), EmbeddingRequest((text,), attribution=self.attribution))

    async def rerank(self, text: str, limits: ModelLimits) -> None:
        endpoint = replace(self.endpoint, limits=limits, kind=ModelKind.RERANK)
        await self.models.rerank(ModelRoute.of(endpoint), RerankRequest(text, ("a", "b"), self.attribution))

    async def state(self) -> HealthState:
        return (await self.health.health_of_many(self.actor, [self.model.id]))[self.model.id].state

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0


@pytest.fixture
async def stage(database: Database, make: Factory, redis_url: str) -> AsyncGenerator[Stage]:
    actor = await make.principal(Role.DEVELOPER)
    log, capacity = MemoryEventLog(), MemoryCapacity(CapacitySettings(open_s=0.2, max_open_s=0.2, down_s=0.2))
    registry = CollectorRegistry()
    metrics = ModelMetrics(registry)
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(fake_provider())
        client = await stack.enter_async_context(plain_client())
        redis = await stack.enter_async_context(open_redis(redis_url))
        dialect = HttpVectorModels(client)
        dialects = VectorDialects({Dialect.OPENAI: dialect})
        checks = LanguageModelGateway({}, vectors=EmbeddingTrials(dialects))
        recorder = HealthRecorder(database, log, utc_now)
        retries = RetryBudgets(1, restore_per_s=0)
        router = ModelRouter(
            checks,
            capacity,
            retry=RetryPolicy(rounds=1),
            budgets=retries,
            on_circuit_change=recorder,
            metrics=metrics,
            idle_s=0.2,
        )
        stack.push_async_callback(router.aclose)
        accounts = CallAccounts(CallLedger(database, PriceTable([]), utc_now), utc_now, metrics)
        gateway = EmbeddingGateway(RoutedVectorModels(MeteredEmbeddingModels(dialects, accounts), router))
        cached = CachedEmbeddingModels(
            gateway, RedisTenantCache(redis.commands, "vectors", max_bytes=10_000, ttl_s=60), metrics
        )
        health = ModelHealthService(database, capacity, log, utc_now)
        yield Stage(provider, cached, health, registry, actor, await make.model(actor), retries)


async def test_limits_hold_for_vectors_and_scores(stage: Stage) -> None:
    stage.provider.vectors.delay_s = 0.1
    limits = ModelLimits(concurrent_requests=2)
    calls = [stage.embed(f"text {number}", limits) for number in range(4)]
    await asyncio.gather(*calls, *(stage.rerank(f"query {number}", limits) for number in range(4)))
    assert len(stage.provider.requests_to("/embeddings") + stage.provider.requests_to("/rerank")) == 8
    assert stage.provider.vectors.most_at_once == 2
    assert stage.metric("nexent_model_queue_seconds_count", model="m") >= 1


async def test_a_model_that_fails_is_unavailable_and_found_again(stage: Stage) -> None:
    stage.provider.vectors.faults.extend([Fault(500, {"error": {"message": "overloaded"}})] * 5)
    for number in range(5):
        with pytest.raises(ModelError):
            await stage.embed(f"text {number}")
    assert await stage.state() is HealthState.UNAVAILABLE
    [change] = (await stage.health.history_of_many(stage.actor, [stage.model.id]))[stage.model.id]
    assert (change.state, change.failures, change.error_code) == ("OPEN", 5, "MODEL_OVERLOADED")
    assert stage.metric("nexent_model_circuit_changes_total", model="m", state="OPEN") == 1
    await eventually(lambda: stage.metric("nexent_model_circuit_changes_total", model="m", state="CLOSED") == 1)
    history = (await stage.health.history_of_many(stage.actor, [stage.model.id]))[stage.model.id]
    assert history[0].state == "CLOSED"


async def test_each_deployment_of_a_route_has_its_own_rows_and_limits(
    stage: Stage, make: Factory, database: Database
) -> None:
    other_model = await make.model(stage.actor, name="other")
    async with fake_provider() as other:
        limited = replace(stage.endpoint, limits=ModelLimits(concurrent_requests=1))
        second = replace(limited, base_url=other.base_url, model_id=other_model.id)
        group = (Deployment(limited, weight=1), Deployment(second, weight=1))
        route = ModelRoute((group,), vectors=VectorSpace("m", 8), identity="ROUTE:m:8")
        stage.provider.vectors.delay_s = other.vectors.delay_s = 0.05
        requests = [EmbeddingRequest((f"text {number}",), attribution=stage.attribution) for number in range(8)]
        await asyncio.gather(*(stage.models.embed(route, request) for request in requests))
        assert (stage.provider.vectors.most_at_once, other.vectors.most_at_once) == (1, 1)
        stage.provider.vectors.is_down = True
        await stage.models.embed(replace(route, groups=(group[:1], group[1:])), requests[0])  # cached
        request = EmbeddingRequest(("one more",), attribution=stage.attribution)
        await stage.models.embed(replace(route, groups=(group[:1], group[1:])), request)
    async with database.read(stage.actor.tenant_id) as session:
        rows = list(await session.scalars(select(ModelCall).order_by(col(ModelCall.created_at), col(ModelCall.id))))
    assert len(rows) == 10
    ends = [(row.model_id, row.error_code, row.input_tokens) for row in rows[-2:]]
    assert ends == [(stage.model.id, "MODEL_OVERLOADED", 0), (other_model.id, None, 2)]
    assert {row.model_id for row in rows[:8]} == {stage.model.id, other_model.id}


async def test_a_tenant_whose_retries_are_used_up_fails_at_once(stage: Stage) -> None:
    async with fake_provider() as other:
        second = replace(stage.endpoint, base_url=other.base_url, model_id=None)
        route = ModelRoute(((Deployment(stage.endpoint),), (Deployment(second),)), vectors=VectorSpace("m", 8))
        assert stage.retries.take(stage.actor.tenant_id)
        stage.provider.vectors.is_down = True
        request = EmbeddingRequest(("text",), attribution=stage.attribution)
        with pytest.raises(ModelError):
            await stage.models.embed(route, request)
        assert other.vectors.texts == []


async def test_calls_and_cached_texts_are_counted(stage: Stage) -> None:
    for text in ("one", "one", "two"):
        await stage.embed(text)
    assert stage.metric("nexent_model_cache_lookups_total", cache="vectors", result="hit") == 1
    assert stage.metric("nexent_model_cache_lookups_total", cache="vectors", result="miss") == 2
    assert stage.metric("nexent_model_calls_total", model="m", kind="EMBEDDING", outcome="OK") == 2
    assert stage.metric("nexent_model_tokens_total", model="m", direction="input") == 2
