"""Calls past their retention become sums of days, and nothing that is summed up changes."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from sqlalchemy import func, select
from sqlmodel import col

from nexent_gql.db.session import Database
from nexent_gql.domains.models.budgets import BudgetLimit, BudgetService
from nexent_gql.domains.models.health import MAX_HISTORY
from nexent_gql.domains.models.ledger import CallLedger
from nexent_gql.domains.models.prices import Price, PriceTable
from nexent_gql.domains.models.retention import ModelCallSummarizer, SummarizeModelCalls
from nexent_gql.domains.models.tables import BudgetPeriod, BudgetScope, ModelCall, ModelHealthChange
from nexent_gql.domains.models.usage import TimeRange, UsageDimension, UsageFilter, UsageRow, UsageService
from nexent_gql.jobs.enqueue import enqueue
from nexent_gql.jobs.registry import JobRegistry
from nexent_gql.jobs.runner import JobRunner
from nexent_gql.jobs.schedule_tables import NO_TENANT
from nexent_gql.kernel.clock import utc_now
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.llm import CallAttribution, Dialect, ModelEndpoint, Usage
from nexent_gql.ports.llm_usage import ModelCallRecord
from tests.support.factory import Factory

PRICES = PriceTable(
    [Price(provider="*", model="m", since=date(2020, 1, 1), input=Decimal("0.7"), output=Decimal("1.3"))]
)
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY_S = 86_400
DIMENSIONS = [each for each in UsageDimension if each is not UsageDimension.RUN]
WITHIN = TimeRange(NOON - timedelta(days=20), NOON + timedelta(days=20))


async def write_calls(database: Database, actors: Sequence[Principal]) -> None:
    """Write calls of five days, of two models, one of them without a price, some failed and some estimated."""
    ledger = CallLedger(database, PRICES, utc_now)
    for number in range(60):
        actor = actors[number % len(actors)]
        attribution = CallAttribution(
            actor.tenant_id, actor.user_id, "RUN", new_id(), 1 + number % 3, api_key_id=actor.api_key_id
        )
        await ledger.close(
            ModelCallRecord(
                new_id(),
                attribution,
                ModelEndpoint(Dialect.OPENAI, "unpriced" if number % 7 == 0 else "m", "https://llm.example/v1"),
                NOON + timedelta(days=number % 5, hours=number % 11 - 5),
                Usage(1_000_000_000, number, cached_tokens=number, reasoning_tokens=1, cache_write_tokens=2),
                is_estimated=number % 4 == 0,
                latency_ms=number,
                error_code="LEFT" if number % 6 == 0 else None,
            )
        )


async def summarize(database: Database, now: datetime, retention_s: int | None = 2 * DAY_S) -> None:
    """Run the job of the installation."""
    async with database.transaction(NO_TENANT) as session:
        job_id = await enqueue(session, NO_TENANT, SummarizeModelCalls(), key=str(new_id()))
    assert job_id is not None
    handler = ModelCallSummarizer(retention_s, lambda: now).handler
    await JobRunner(database, JobRegistry([handler]), owner="test", lease_s=30).run(job_id)


async def sums(database: Database, actor: Principal) -> list[UsageRow]:
    rows = await UsageService(database, utc_now).sum_up(actor, UsageFilter(), DIMENSIONS, WITHIN)
    return sorted(rows, key=repr)


async def count(database: Database, actor: Principal, *, is_summary: bool) -> int:
    async with database.read(actor.tenant_id) as session:
        query = select(func.count()).select_from(ModelCall).where(col(ModelCall.is_summary).is_(is_summary))
        return (await session.execute(query)).scalar_one()


async def test_sums_stay_what_they_were(database: Database, make: Factory) -> None:
    owner = await make.principal()
    stranger = await make.principal()
    await write_calls(database, [owner, await make.principal(beside=owner), stranger])
    before = {actor.tenant_id: await sums(database, actor) for actor in (owner, stranger)}
    assert sum(row.calls for row in before[owner.tenant_id]) == 40
    now = NOON + timedelta(days=5)
    for _ in "twice":
        await summarize(database, now)
        for actor in (owner, stranger):
            assert await sums(database, actor) == before[actor.tenant_id]
    calls, summaries = [await count(database, owner, is_summary=each) for each in (False, True)]
    assert 0 < calls < 40
    assert 0 < summaries < 40 - calls
    await summarize(database, now + timedelta(days=20))
    assert await count(database, owner, is_summary=False) == 0
    assert await sums(database, owner) == before[owner.tenant_id]


async def test_without_a_retention_calls_stay(database: Database, make: Factory) -> None:
    owner = await make.principal()
    await write_calls(database, [owner])
    await summarize(database, NOON + timedelta(days=400), None)
    assert await count(database, owner, is_summary=True) == 0


async def test_budgets_of_all_time_count_summaries_and_metrics_do_not(database: Database, make: Factory) -> None:
    owner = await make.principal()
    await write_calls(database, [owner])
    budgets = BudgetService(database, utc_now)
    limit = BudgetLimit(BudgetPeriod.TOTAL, usd=Decimal(1_000_000))
    spent = (await budgets.set(owner, BudgetScope.TENANT, None, limit)).spent
    assert spent.tokens > 60_000_000_000
    await summarize(database, NOON + timedelta(days=20))
    assert (await budgets.set(owner, BudgetScope.TENANT, None, limit)).spent == spent
    assert await UsageService(database, utc_now).metrics(owner, WITHIN) == []


async def test_old_changes_of_health_are_deleted_except_the_newest(database: Database, make: Factory) -> None:
    actor = await make.principal()
    flapping, steady = new_id(), new_id()
    now = utc_now()
    models = [(flapping, MAX_HISTORY + 10), (steady, 3)]
    ids = [model_id for model_id, changes in models for _ in range(changes)]
    async with database.transaction(actor.tenant_id) as session:
        session.add_all(
            ModelHealthChange(tenant_id=actor.tenant_id, created_at=now, seq=seq, model_id=model_id, state="OPEN")
            for seq, model_id in enumerate(ids, 1)
        )
    for days, left in ((34, len(ids)), (36, MAX_HISTORY + 3)):
        await summarize(database, now + timedelta(days=days), retention_s=None)
        async with database.read(actor.tenant_id) as session:
            rows = (await session.scalars(select(ModelHealthChange).order_by(col(ModelHealthChange.seq)))).all()
        assert (len(rows), rows[-1].seq) == (left, len(ids))
