"""Runs over a fleet of real servers, a third of which fails at any time."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal

import pytest
from sqlalchemy import func, select
from sqlmodel import col

from nexent_gql.adapters.engine_smolagents import SmolagentsEngine
from nexent_gql.adapters.llm_accounting import CallAccounts
from nexent_gql.adapters.llm_capacity import CapacitySettings, FallbackCapacity, RedisCapacity
from nexent_gql.adapters.llm_gateway import LanguageModelGateway
from nexent_gql.adapters.llm_metering import MeteredModels
from nexent_gql.adapters.llm_openai import OpenAIModels
from nexent_gql.adapters.llm_router import ModelRouter, RetryPolicy
from nexent_gql.adapters.redis_client import open_redis
from nexent_gql.adapters.sandbox_monty import MontySandbox
from nexent_gql.db.session import Database
from nexent_gql.domains.models.ledger import CallLedger
from nexent_gql.domains.models.prices import Price, PriceTable
from nexent_gql.domains.models.tables import ModelCall
from nexent_gql.kernel.clock import utc_now
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.llm import Dialect, ModelDeadlines, ModelEndpoint, ModelError
from nexent_gql.ports.llm_limits import ModelLimits
from nexent_gql.ports.llm_routes import Deployment, MidAnswerPolicy, ModelRoute
from nexent_gql.ports.run_events import ModelSwitched
from tests.support.agent_runs import MemoryRun, NotedTools, spec_of
from tests.support.factory import Factory
from tests.support.fake_provider import (
    Drop,
    ErrorFrame,
    FakeProvider,
    Headers,
    Raw,
    Record,
    Stall,
    Status,
    Step,
    Text,
    Usage,
    fake_provider,
)
from tests.support.llm import plain_client
from tests.support.valkey import ValkeyUnderTest, running_valkey

ANSWER = " ".join(f"word{number}" for number in range(40))
HALF = Text(ANSWER[: len(ANSWER) // 2], tokens_per_s=400)
WHOLE = Text(ANSWER, tokens_per_s=400)
FAULTS: dict[str, list[Step]] = {
    "rate limit": [Status(429, retry_after="0.5")],
    "server error": [Status(500)],
    "stall before": [Stall()],
    "stall within": [HALF, Stall()],
    "reset before": [Drop()],
    "reset within": [HALF, Drop()],
    "closed within": [HALF, Drop("close")],
    "error frame": [HALF, ErrorFrame("overloaded"), Drop()],
    "malformed": [HALF, Raw("data: {nonsense\n\n"), Drop()],
    "wrong usage": [WHOLE, Raw('data: {"choices": [], "usage": {"prompt_tokens": "many"}}\n\n'), Usage(never=True)],
    "slow start": [Headers(delay_s=1.5), WHOLE, Usage(100, 40)],
    "expired key": [Status(401, "the key has expired")],
}
SIZE = 9
CONCURRENT = 6
CAPACITY = ModelLimits(requests_per_minute=10_000, tokens_per_minute=10_000_000, concurrent_requests=CONCURRENT)
LIMITS = {0: replace(CAPACITY, requests_per_minute=8), 1: replace(CAPACITY, tokens_per_minute=4_000)}
"""By number of the provider, where limits of a minute are so low that calls have to go elsewhere."""
MINUTE_S = 55.0
"""A minute, less the time that a request may be on its way."""
PRICES = [Price(provider="*", model="m", since=date(2025, 1, 1), input=Decimal(10**6), output=Decimal(10**6))]
"""A dollar for each token."""
DEADLINE_S = 60


@pytest.fixture(scope="module")
def valkey() -> Generator[ValkeyUnderTest]:
    with running_valkey() as running:
        yield running


@dataclass
class Campaign:
    """What came of the runs."""

    succeeded: int = 0
    texts: set[str] = field(default_factory=set[str])
    codes: list[str] = field(default_factory=list[str])
    switches: int = 0


class Fleet:
    """Providers behind one router, and the faults that move from one third of them to the next."""

    def __init__(self, providers: list[FakeProvider], engine: SmolagentsEngine, seed: int) -> None:
        self.providers = providers
        self.engine = engine
        self.random = random.Random(seed)  # noqa: S311 - the same faults each time
        self.ids = [new_id() for _ in providers]

    def route(self, policy: MidAnswerPolicy, affinity: str) -> ModelRoute:
        deadlines = ModelDeadlines(first_byte_s=3, idle_s=2, total_s=20)
        endpoints = [
            ModelEndpoint(
                Dialect.OPENAI,
                "m",
                provider.base_url,
                deadlines=deadlines,
                limits=LIMITS.get(number, CAPACITY),
                model_id=self.ids[number],
            )
            for number, provider in enumerate(self.providers)
        ]
        deployments = [Deployment(each, weight=3 if number in LIMITS else 1) for number, each in enumerate(endpoints)]
        groups = (tuple(deployments[: SIZE - 3]), tuple(deployments[SIZE - 3 :]))
        return ModelRoute(groups, policy, first_token_s=2, affinity=affinity)

    async def misbehave(self) -> None:
        """Give another third of the fleet other faults, again and again."""
        failing, faults = [0, 1, 2], [FAULTS["error frame"]]  # the first runs do meet failures within an answer
        while True:
            for number, provider in enumerate(self.providers):
                fault = self.random.choice(faults) if number in failing else [WHOLE, Usage(100, 40)]
                provider.script("m", fault)
            await asyncio.sleep(0.7)
            failing, faults = self.random.sample(range(SIZE), SIZE // 3), [*FAULTS.values()]

    async def run(self, actor: Principal, number: int, campaign: Campaign) -> None:
        policy = MidAnswerPolicy.RESTART if number % 2 else MidAnswerPolicy.CONTINUE
        spec = spec_of(tools=())
        context = replace(spec.context, tenant_id=actor.tenant_id, user_id=actor.user_id, run_id=new_id())
        port = MemoryRun()
        try:
            async with asyncio.timeout(DEADLINE_S):
                await port.attempt(self.engine, replace(spec, route=self.route(policy, str(number)), context=context))
        except ModelError as error:
            campaign.codes.append(error.code)
        else:
            campaign.succeeded += 1
            campaign.texts.add(port.text)
        campaign.switches += len(port.of(ModelSwitched))

    async def campaign(self, actor: Principal, runs: int, at_once: int) -> Campaign:
        campaign, slots = Campaign(), asyncio.Semaphore(at_once)

        async def run(number: int) -> None:
            async with slots:
                await self.run(actor, number, campaign)

        faults = asyncio.create_task(self.misbehave())
        try:
            await asyncio.gather(*(run(number) for number in range(runs)))
        finally:
            faults.cancel()
        return campaign

    def most_at_once(self) -> int:
        """Return the largest number of requests that one provider had at the same time."""
        return max(_most_at_once(provider) for provider in self.providers)

    def most_in_a_minute(self, number: int, count: Callable[[Record], int]) -> int:
        """Return the most that a provider counted of its requests within a minute."""
        records = sorted(self.providers[number].requests, key=lambda record: record.opened_at)
        return max(
            sum(count(each) for each in records if 0 <= each.opened_at - first.opened_at < MINUTE_S)
            for first in records
        )

    def reported_tokens(self) -> int:
        return sum(record.reported_tokens or 0 for provider in self.providers for record in provider.requests)


def _most_at_once(provider: FakeProvider) -> int:
    changes: list[tuple[float, int]] = []
    for record in provider.requests:
        ends = [at for at in (record.finished_at, record.client_closed_at) if at is not None]
        changes += [(record.opened_at, 1), (min(ends, default=float("inf")), -1)]
    most = count = 0
    for _, change in sorted(changes):
        count += change
        most = max(most, count)
    return most


@pytest.fixture
async def fleet(valkey: ValkeyUnderTest, database: Database) -> AsyncGenerator[Fleet]:
    async with AsyncExitStack() as stack:
        providers = [await stack.enter_async_context(fake_provider()) for _ in range(SIZE)]
        client = await stack.enter_async_context(plain_client(max_connections=500))
        redis = await stack.enter_async_context(open_redis(valkey.url))
        sandbox = await stack.enter_async_context(MontySandbox(max_sessions=1))
        gateway = LanguageModelGateway({Dialect.OPENAI: OpenAIModels(client)})
        models = MeteredModels(gateway, CallAccounts(CallLedger(database, PriceTable(PRICES), utc_now), utc_now))
        store = RedisCapacity(redis.commands, CapacitySettings(open_s=1, max_open_s=4, down_s=1))
        router = ModelRouter(models, FallbackCapacity(store), retry=RetryPolicy(first_wait_s=0.2))
        stack.push_async_callback(router.aclose)
        yield Fleet(providers, SmolagentsEngine(router, NotedTools(), sandbox, max_runs=40), seed=7)


@pytest.mark.parametrize("runs", [60, pytest.param(500, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
async def test_runs_survive_a_third_of_the_fleet(fleet: Fleet, database: Database, make: Factory, runs: int) -> None:
    actor = await make.principal()
    campaign = await fleet.campaign(actor, runs, at_once=20)
    assert campaign.succeeded + len(campaign.codes) == runs
    assert campaign.codes == []
    assert campaign.texts == {ANSWER}
    assert campaign.switches > 0
    assert fleet.most_at_once() <= CONCURRENT
    assert fleet.most_in_a_minute(0, lambda _: 1) <= 8
    assert fleet.most_in_a_minute(1, lambda record: record.reported_tokens or 0) <= 4_000
    assert await counted_by_us(database, actor) == (fleet.reported_tokens(), fleet.reported_tokens())


async def counted_by_us(database: Database, actor: Principal) -> tuple[int, Decimal | None]:
    """Return the tokens that providers reported, and what they cost, by our own accounts."""
    tokens = func.sum(col(ModelCall.input_tokens) + col(ModelCall.output_tokens))
    query = select(tokens, func.sum(col(ModelCall.cost_usd)))
    query = query.where(col(ModelCall.is_estimated).is_(False), col(ModelCall.error_code).is_(None))
    async with database.read(actor.tenant_id) as session:
        counted, cost_usd = (await session.execute(query)).one()
    return counted, cost_usd
