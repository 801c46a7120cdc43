"""Runs within budgets: how many are admitted, what clients that leave pay, and what a killed worker gives back."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import func, select
from sqlmodel import col

from nexent_gql.db.session import Database
from nexent_gql.domains.agents.policy import AgentDraft
from nexent_gql.domains.models.budgets import BudgetLimit
from nexent_gql.domains.models.errors import BudgetExceededError
from nexent_gql.domains.models.policy import ModelConfig
from nexent_gql.domains.models.retention import LostCallSettler, SettleLostCalls
from nexent_gql.domains.models.settings import ModelSettings
from nexent_gql.domains.models.spending import BudgetState
from nexent_gql.domains.models.tables import BudgetPeriod, BudgetScope, OpenModelCall
from nexent_gql.domains.models.usage import TimeRange, UsageDimension, UsageFilter, UsageRow
from nexent_gql.domains.runs.starter import NewMessage
from nexent_gql.domains.runs.tables import Run
from nexent_gql.jobs.enqueue import enqueue
from nexent_gql.jobs.housekeeping import Housekeeping
from nexent_gql.jobs.registry import JobRegistry
from nexent_gql.jobs.runner import JobRunner
from nexent_gql.jobs.schedule_tables import NO_TENANT
from nexent_gql.jobs.settings import JobSettings
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.page import PageRequest
from nexent_gql.kernel.principal import Principal, Scope
from nexent_gql.ports.llm import CallAttribution, ChatMessage, ChatRequest, Dialect, ModelProfile, TextChunk
from nexent_gql.ports.llm_limits import ModelLimits
from nexent_gql.runtime import Runtime, open_ledger, open_runtime
from nexent_gql.services import Services
from nexent_gql.settings import OutboundSettings, Settings
from tests.support.databases import make_settings
from tests.support.factory import Factory
from tests.support.fake_provider import FakeProvider, Stall, Text, Usage, fake_provider

MAX_OUTPUT = 100
PRICES = [{"provider": "*", "model": "m", "since": "2025-01-01", "input": "0", "output": "1000000"}]
"""One dollar for a token of an answer: a call reserves 100."""
LEASE_S = 2.0
CONCURRENT = 20


@dataclass
class Stage:
    """A runtime whose jobs are run by hand, and a tenant with an agent."""

    settings: Settings
    runtime: Runtime
    services: Services
    provider: FakeProvider
    actor: Principal
    agent_id: UUID

    async def limit(self, usd: int) -> None:
        limit = BudgetLimit(BudgetPeriod.MONTH, usd=Decimal(usd))
        await self.services.model_budgets.set(self.actor, BudgetScope.TENANT, None, limit)

    async def budget(self) -> BudgetState:
        (state,) = (await self.services.model_budgets.page(self.actor, PageRequest())).rows
        return state

    async def send(self, actor: Principal | None = None) -> Run:
        started = await self.services.runs.start.send(actor or self.actor, NewMessage("Hi", agent_id=self.agent_id))
        return started.run

    async def end(self, run: Run) -> Run:
        """Return a run when it has ended."""
        async for _ in await self.services.runs.follow(self.actor, run.id, after=None):
            pass
        return await self.services.runs.get(self.actor, run.id)

    async def usage(self) -> UsageRow:
        [row] = await self.services.usage.sum_up(self.actor, UsageFilter(), [], TimeRange())
        return row

    async def leases(self) -> int:
        """Return how many calls of the model hold a lease."""
        async with self.runtime.db.read(self.actor.tenant_id) as session:
            endpoint = await self.services.models.endpoint(session, self.actor.tenant_id, None)
        return (await self.runtime.capacity.read(str(endpoint.model_id))).outstanding

    async def received(self) -> int:
        """Return the tokens that calls in progress had received when they were last renewed."""
        async with self.runtime.db.read(self.actor.tenant_id) as session:
            return await session.scalar(select(func.coalesce(func.sum(col(OpenModelCall.output_tokens)), 0))) or 0

    async def reserved(self) -> Decimal:
        return (await self.budget()).reserved.usd

    async def until(self, read: Callable[[], Awaitable[Decimal | int]], value: int, within_s: float = 60) -> None:
        async with asyncio.timeout(within_s):
            while await read() != value:  # noqa: ASYNC110 - stores tell nobody
                await asyncio.sleep(0.1)

    async def until_reserved(self, usd: int, within_s: float = 60) -> None:
        await self.until(self.reserved, usd, within_s)


@pytest.fixture
async def stage(owner_url: str, redis_url: str, tmp_path: Path) -> AsyncGenerator[Stage]:
    prices = tmp_path / "prices.json"
    prices.write_text(json.dumps(PRICES))
    settings = make_settings(
        owner_url,
        redis_url,
        outbound=OutboundSettings(reach="any"),
        models=ModelSettings(prices_file=prices, call_lease_s=LEASE_S),
    )
    async with open_runtime(settings) as runtime, fake_provider() as provider:
        actor, services = await Factory(runtime.db).principal(), Services.build(runtime)
        profile, limits = ModelProfile(max_output_tokens=MAX_OUTPUT), ModelLimits(concurrent_requests=CONCURRENT)
        config = ModelConfig(Dialect.OPENAI, "m", base_url=provider.base_url, profile=profile, limits=limits)
        await services.models.register(actor, "m", config)
        agent = await services.agents.create(actor, AgentDraft(name="Ada"))
        yield Stage(settings, runtime, services, provider, actor, agent.id)


@asynccontextmanager
async def worker_process(settings: Settings) -> AsyncGenerator[asyncio.subprocess.Process]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NEXENT_")}
    for name in ("database_url", "system_database_url", "redis_url", "secret_key"):
        environment[f"NEXENT_{name.upper()}"] = getattr(settings, name).get_secret_value()
    environment["NEXENT_JOBS__QUEUES"] = '["runs"]'  # a title is a call too
    environment["NEXENT_JOBS__LEASE_S"] = str(settings.jobs.lease_s)
    environment["NEXENT_OUTBOUND__REACH"] = settings.outbound.reach
    environment["NEXENT_MODELS__PRICES_FILE"] = str(settings.models.prices_file)
    environment["NEXENT_MODELS__CALL_LEASE_S"] = str(settings.models.call_lease_s)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "workers", env=environment, stdout=DEVNULL, stderr=DEVNULL
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.timeout(240)
async def test_of_a_hundred_runs_exactly_as_many_are_admitted_as_the_budget_allows(stage: Stage) -> None:
    stage.provider.script("m", [Text("Fine."), Usage(50, MAX_OUTPUT)])
    await stage.limit(10 * MAX_OUTPUT)
    runs = [await stage.send() for _ in range(100)]
    patient = {
        "models": ModelSettings(prices_file=stage.settings.models.prices_file),
        "jobs": JobSettings(lease_s=60),  # no run is taken over, and calls again, because this machine is busy
    }
    settings = stage.settings.model_copy(update=patient)
    async with worker_process(settings), worker_process(settings):
        ends = [await stage.end(run) for run in runs]
    assert Counter((run.status, run.error_code) for run in ends) == {
        ("SUCCEEDED", None): 10,
        ("FAILED", "BUDGET_EXCEEDED"): 90,
    }
    assert len(stage.provider.requests) == 10
    assert {(run.cost_usd, run.model_name) for run in ends if run.status == "SUCCEEDED"} == {(Decimal(100), "m")}
    refused = next(run for run in ends if run.status == "FAILED")
    assert refused.retryable
    assert refused.retry_after_s is not None
    assert refused.error_message is not None
    assert "the budget of your tenant" in refused.error_message
    state = await stage.budget()
    assert (state.spent.usd, state.reserved.usd, state.remaining_usd) == (1_000, 0, 0)
    with pytest.raises(BudgetExceededError):
        await stage.send()


@pytest.mark.timeout(240)
async def test_a_key_has_a_budget_and_usage_of_its_own(stage: Stage) -> None:
    stage.provider.script("m", [Text("Fine."), Usage(50, 60)])
    identity, owner = stage.services.identity, stage.actor
    session = await identity.authenticate((await identity.issue_token(owner)).text.get_secret_value())
    scopes = [Scope.READ, Scope.WRITE]
    key = await identity.api_keys.create(session, name="a program", scopes=scopes, expires_at=None)
    caller = await identity.authenticate(key.text.get_secret_value())
    await stage.services.model_budgets.set(
        owner, BudgetScope.API_KEY, key.row.id, BudgetLimit(BudgetPeriod.MONTH, usd=Decimal(MAX_OUTPUT))
    )
    async with worker_process(stage.settings):
        ends = [await stage.end(await stage.send(actor)) for actor in (caller, caller, owner)]
    assert [(run.status, run.error_code) for run in ends] == [
        ("SUCCEEDED", None),
        ("FAILED", "BUDGET_EXCEEDED"),
        ("SUCCEEDED", None),
    ]
    assert ends[1].error_message is not None
    assert "the budget of this API key" in ends[1].error_message
    dimensions = [UsageDimension.API_KEY]
    rows = await stage.services.usage.sum_up(owner, UsageFilter(), dimensions, TimeRange())
    assert {row.api_key_id: (row.calls, row.cost_usd) for row in rows} == {key.row.id: (1, 60), None: (1, 60)}


@pytest.mark.timeout(120)
async def test_a_client_that_leaves_pays_for_what_arrived(stage: Stage) -> None:
    stage.provider.script("m", [Text("word " * 40), Stall()])
    await stage.limit(1_000)
    async with stage.runtime.db.read(stage.actor.tenant_id) as session:
        endpoint = await stage.services.models.endpoint(session, stage.actor.tenant_id, None)
    attribution = CallAttribution(stage.actor.tenant_id, stage.actor.user_id, "RUN")
    request = ChatRequest((ChatMessage.from_text("user", "Hi"),), attribution=attribution)
    received = 0
    async with aclosing(stage.runtime.llm.stream(endpoint, request)) as chunks:
        async for chunk in chunks:
            assert (await stage.budget()).reserved.usd == MAX_OUTPUT
            received += len(chunk.text) if isinstance(chunk, TextChunk) else 0
            if received >= 100:
                break
    state, usage = await stage.budget(), await stage.usage()
    assert (usage.estimated_calls, usage.output_tokens) == (1, received // 4)
    assert (state.spent.usd, state.reserved.usd) == (usage.cost_usd, 0)
    assert usage.cost_usd == received // 4


@pytest.mark.timeout(240)
async def test_what_killed_workers_held_is_back_when_their_leases_end(stage: Stage) -> None:
    stage.provider.script("m", [Text("word " * 40), Stall()])
    await stage.limit(CONCURRENT * MAX_OUTPUT)
    for _ in range(CONCURRENT):
        await stage.send()
    patient = stage.settings.model_copy(update={"jobs": JobSettings(lease_s=60)})  # no run is called twice
    async with worker_process(patient) as first, worker_process(patient) as second:
        await stage.until(stage.received, CONCURRENT * 50)
        lease_count = await stage.leases()  # a worker that Redis answers late counts some calls by itself
        assert lease_count > 0
        await asyncio.sleep(LEASE_S * 1.5)
        async with asyncio.timeout(60):
            while await stage.leases() < lease_count:  # noqa: ASYNC110 - workers that live renew all of them
                await asyncio.sleep(0.1)
        await stage.until_reserved(CONCURRENT * MAX_OUTPUT)
        for worker in (first, second):
            worker.send_signal(signal.SIGKILL)
            await worker.wait()
    await stage.until(stage.leases, 0, within_s=LEASE_S + 15)
    await stage.until_reserved(0, within_s=LEASE_S + 15)
    settler = LostCallSettler(open_ledger(stage.runtime.db, stage.settings))
    work_id = await schedule(stage.runtime.db, SettleLostCalls())
    await JobRunner(stage.runtime.db, JobRegistry([settler.handler]), owner="test", lease_s=30).run(work_id)
    state, usage = await stage.budget(), await stage.usage()
    assert (usage.calls, usage.estimated_calls, usage.failed_calls) == (CONCURRENT, CONCURRENT, CONCURRENT)
    received = CONCURRENT * 50  # what the workers had received when they renewed their leases
    assert (usage.output_tokens, usage.cost_usd) == (received, received)
    assert (state.spent.usd, state.reserved.usd) == (received, 0)
    assert await stage.leases() == 0, "what is lost is settled once, and takes nothing again"


async def schedule(db: Database, work: Housekeeping) -> UUID:
    async with db.transaction(NO_TENANT) as session:
        job_id = await enqueue(session, NO_TENANT, work, key=str(new_id()))
    assert job_id is not None
    return job_id
