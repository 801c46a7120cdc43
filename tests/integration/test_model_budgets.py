"""What budgets admit, what they keep in reserve, and who may set them."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast
from uuid import UUID

import pytest
from sqlalchemy import text

from nexent_gql.adapters.llm_accounting import CallAccounts
from nexent_gql.api.schema.relay import global_id
from nexent_gql.db.session import Database
from nexent_gql.domains.models.budgets import BudgetLimit, BudgetService
from nexent_gql.domains.models.errors import BudgetExceededError, TotalBudgetExceededError
from nexent_gql.domains.models.ledger import CallLedger
from nexent_gql.domains.models.periods import period_end, period_start
from nexent_gql.domains.models.prices import Price, PriceTable
from nexent_gql.domains.models.spending import BudgetState
from nexent_gql.domains.models.tables import BudgetPeriod, BudgetScope
from nexent_gql.domains.models.usage import TimeRange, UsageFilter, UsageService
from nexent_gql.kernel.clock import utc_now
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.page import PageRequest
from nexent_gql.kernel.principal import Principal, Role
from nexent_gql.ports.llm import CallAttribution, Dialect, ModelEndpoint, Usage
from nexent_gql.ports.llm_usage import ModelCallRecord, PlannedCall
from tests.support.direct_graphql import Data, DirectGraphQL
from tests.support.factory import Factory
from tests.support.statements import statements

if TYPE_CHECKING:
    from nexent_gql.services import Services

PRICES = PriceTable(
    [Price(provider="*", model="m", since=date(2025, 1, 1), input=Decimal(1_000_000), output=Decimal(1_000_000))]
)
"""One dollar for a token."""
ENDPOINT = ModelEndpoint(Dialect.OPENAI, "m", "https://llm.example/v1")
BUDGET = (
    "id scope period timeZone limitUsd limitTokens spentUsd spentTokens reservedUsd reservedTokens remainingUsd"
    " remainingTokens resetAt user { id } apiKey { id }"
)
SET = (
    "mutation ($input: SetBudgetInput!) { setBudget(input: $input) { __typename"
    f" ... on SetBudgetPayload {{ budget {{ {BUDGET} }} }} ... on Error {{ code message }}"
    " ... on ValidationError { path } } }"
)
DELETE = (
    "mutation ($input: DeleteBudgetInput!) { deleteBudget(input: $input) { __typename"
    " ... on DeleteBudgetPayload { deletedId } ... on Error { code } } }"
)
LIST = f"query ($first: Int) {{ budgets(first: $first) {{ totalCount edges {{ node {{ {BUDGET} }} }} }} }}"
FOREVER = BudgetLimit(BudgetPeriod.TOTAL, usd=Decimal(100))


class Bank:
    """Opens and closes calls on the accounts of one tenant."""

    def __init__(self, database: Database, *, lease_s: float = 60) -> None:
        self.database = database
        self.now = utc_now()
        self.budgets = BudgetService(database, self.clock)
        self.ledger = CallLedger(database, PRICES, self.clock, lease_s=lease_s)

    def clock(self) -> datetime:
        return self.now

    def plan(self, actor: Principal, tokens: int = 10, *, model: str = "m") -> PlannedCall:
        attribution = CallAttribution(actor.tenant_id, actor.user_id, "RUN", api_key_id=actor.api_key_id)
        return PlannedCall(new_id(), attribution, replace(ENDPOINT, model=model), self.now, Usage(0, tokens))

    async def open(self, actor: Principal, tokens: int = 10, *, model: str = "m") -> PlannedCall:
        plan = self.plan(actor, tokens, model=model)
        await self.ledger.open(plan)
        return plan

    async def close(self, plan: PlannedCall, tokens: int) -> None:
        usage = Usage(0, tokens)
        await self.ledger.close(
            ModelCallRecord(
                plan.id, plan.attribution, plan.endpoint, plan.started_at, usage, is_estimated=False, latency_ms=5
            )
        )

    async def spend(self, actor: Principal, tokens: int) -> None:
        await self.close(await self.open(actor, tokens), tokens)

    async def set(self, actor: Principal, limit: BudgetLimit = FOREVER) -> BudgetState:
        return await self.budgets.set(actor, BudgetScope.TENANT, None, limit)

    async def state(self, actor: Principal) -> BudgetState:
        (state,) = (await self.budgets.page(actor, PageRequest())).rows
        return state


@pytest.fixture
def bank(database: Database) -> Bank:
    return Bank(database)


async def ask(bank: Bank, actor: Principal, query: str, **variables: object) -> Data:
    async def no_keys(_actor: Principal, _ids: object) -> list[object]:
        return []

    keys = SimpleNamespace(get_many=no_keys)
    users = SimpleNamespace(get_many=no_keys)
    identity = SimpleNamespace(api_keys=keys, users=users)
    services = SimpleNamespace(model_budgets=bank.budgets, identity=identity)
    return (await DirectGraphQL(cast("Services", services))(actor, query, **variables)).one


async def test_as_many_calls_as_a_budget_allows_are_admitted_at_once(database: Database, make: Factory) -> None:
    actor, bank = await make.principal(), Bank(database)
    await bank.set(actor)
    results = await asyncio.gather(*[bank.open(actor) for _ in range(40)], return_exceptions=True)
    assert sum(isinstance(result, PlannedCall) for result in results) == 10
    assert sum(isinstance(result, BudgetExceededError) for result in results) == 30
    state = await bank.state(actor)
    assert (state.reserved.usd, state.spent.usd, state.remaining_usd) == (100, 0, 0)


async def test_a_call_is_settled_to_what_it_used(bank: Bank, make: Factory) -> None:
    actor = await make.principal()
    await bank.set(actor, BudgetLimit(BudgetPeriod.TOTAL, usd=Decimal(100), tokens=50))
    plan = await bank.open(actor, 50)
    with pytest.raises(BudgetExceededError):
        await bank.open(actor, 1)
    for _ in "twice":
        await bank.close(plan, 20)
    state = await bank.state(actor)
    assert (state.spent.usd, state.spent.tokens, state.reserved.tokens, state.remaining_tokens) == (20, 20, 0, 30)
    await bank.spend(actor, 30)
    with pytest.raises(TotalBudgetExceededError, match=r"the budget of your tenant has .* 0 tokens left"):
        await bank.open(actor, 1)


async def test_a_reservation_that_is_not_renewed_returns_with_its_lease(database: Database, make: Factory) -> None:
    actor, bank = await make.principal(), Bank(database, lease_s=0.5)
    await bank.set(actor)
    plan = await bank.open(actor, 100)
    assert (await bank.state(actor)).remaining_usd == 0
    assert not await bank.ledger.close_lost(actor.tenant_id, plan.id)
    await bank.ledger.renew(plan, 7)
    await asyncio.sleep(0.6)
    assert (await bank.state(actor)).remaining_usd == 100
    assert await bank.ledger.close_lost(actor.tenant_id, plan.id)
    assert not await bank.ledger.close_lost(actor.tenant_id, plan.id)
    assert (await bank.state(actor)).spent.tokens == 7
    [row] = await UsageService(database, utc_now).sum_up(actor, UsageFilter(), [], TimeRange())
    assert (row.calls, row.failed_calls, row.estimated_calls, row.output_tokens) == (1, 1, 1, 7)


async def test_a_call_that_was_taken_for_lost_is_corrected(database: Database, make: Factory) -> None:
    actor, bank = await make.principal(), Bank(database, lease_s=0.2)
    await bank.set(actor)
    plan = await bank.open(actor, 100)
    await bank.ledger.renew(plan, 7)
    await asyncio.sleep(0.3)
    assert await bank.ledger.close_lost(actor.tenant_id, plan.id)
    for _ in "twice":
        await bank.close(plan, 30)
    assert (await bank.state(actor)).spent.usd == 30


async def test_budgets_of_users_and_keys_limit_their_calls_only(bank: Bank, make: Factory) -> None:
    actor = await make.principal()
    other = await make.principal(beside=actor)
    key = await make_api_key(bank.database, actor)
    with_key = replace(actor, api_key_id=key)
    one_call = BudgetLimit(BudgetPeriod.TOTAL, usd=Decimal(10))
    await bank.budgets.set(actor, BudgetScope.USER, other.user_id, one_call)
    await bank.budgets.set(actor, BudgetScope.API_KEY, key, one_call)
    for caller in (other, with_key):
        await bank.open(caller)
        with pytest.raises(
            BudgetExceededError, match="budget of this API key" if caller is with_key else "your budget"
        ):
            await bank.open(caller)
    for _ in "unlimited":
        await bank.open(actor)


async def test_another_tenant_is_not_limited(bank: Bank, make: Factory) -> None:
    await bank.set(await make.principal(), replace(FOREVER, usd=Decimal()))
    await bank.open(await make.principal())


async def test_calls_without_a_price_count_as_tokens_only(bank: Bank, make: Factory) -> None:
    actor = await make.principal()
    await bank.set(actor, BudgetLimit(BudgetPeriod.TOTAL, usd=Decimal(1), tokens=10))
    await bank.open(actor, 10, model="unpriced")
    with pytest.raises(BudgetExceededError):
        await bank.open(actor, 1, model="unpriced")


async def test_what_was_spent_before_a_budget_was_set_counts(bank: Bank, make: Factory) -> None:
    actor = await make.principal()
    await bank.spend(actor, 40)
    assert (await bank.set(actor)).spent.usd == 40
    await bank.spend(actor, 40)
    state = await bank.set(actor, replace(FOREVER, usd=Decimal(90)))
    assert (state.spent.usd, state.remaining_usd) == (80, 10)
    with pytest.raises(BudgetExceededError):
        await bank.open(actor, 11)
    await bank.open(actor, 10)


async def test_a_budget_is_full_again_in_the_next_period(bank: Bank, make: Factory) -> None:
    actor = await make.principal()
    bank.now = datetime(2026, 3, 28, 22, 30, tzinfo=UTC)  # half past eleven in Berlin, where clocks change a day later
    await bank.set(actor, BudgetLimit(BudgetPeriod.DAY, usd=Decimal(10), time_zone="Europe/Berlin"))
    open_over_midnight = await bank.open(actor, 4)
    await bank.spend(actor, 6)
    with pytest.raises(BudgetExceededError) as refusal:
        await bank.open(actor, 1)
    assert refusal.value.details["reset_at"] == "2026-03-28T23:00:00+00:00"
    assert refusal.value.details["retry_after_s"] == 1_800
    bank.now += timedelta(minutes=30)
    assert (await bank.state(actor)).remaining_usd == 10
    await bank.spend(actor, 3)
    await bank.close(open_over_midnight, 4)
    assert (await bank.state(actor)).spent.usd == 3, "the call counts in the period in which it began"
    bank.now -= timedelta(minutes=5)
    await bank.spend(actor, 1)
    assert (await bank.state(actor)).start == datetime(2026, 3, 28, 23, tzinfo=UTC), "a clock behind changes no period"


def test_periods_begin_at_midnight_where_the_budget_is() -> None:
    now = datetime(2026, 1, 31, 23, 30, tzinfo=UTC)
    assert period_start(BudgetPeriod.MONTH, "UTC", now) == datetime(2026, 1, 1, tzinfo=UTC)
    assert period_end(BudgetPeriod.MONTH, "UTC", now) == datetime(2026, 2, 1, tzinfo=UTC)
    assert period_start(BudgetPeriod.MONTH, "Asia/Kolkata", now) == datetime(2026, 1, 31, 18, 30, tzinfo=UTC)
    assert period_end(BudgetPeriod.DAY, "Asia/Kolkata", now) == datetime(2026, 2, 1, 18, 30, tzinfo=UTC)
    assert period_end(BudgetPeriod.TOTAL, "UTC", now) is None
    for minutes in range(0, 400 * 24 * 60, 97):
        moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
        for period in (BudgetPeriod.DAY, BudgetPeriod.MONTH):
            end = period_end(period, "Europe/Berlin", moment)
            assert end is not None
            assert period_start(period, "Europe/Berlin", moment) <= moment < end
            assert period_start(period, "Europe/Berlin", end) == end


async def test_administrators_set_budgets_and_users_see_their_own(bank: Bank, make: Factory) -> None:
    admin = await make.principal(Role.ADMIN)
    member = await make.principal(Role.MEMBER, beside=admin)
    member_id = global_id("User", member.user_id)
    month = {"period": "MONTH", "limitUsd": "12.50", "timeZone": "europe/berlin"}
    budget = (await ask(bank, admin, SET, input={"subject": {"userId": member_id}, **month}))["budget"]
    assert (budget["scope"], budget["limitUsd"], budget["timeZone"], budget["spentUsd"], budget["remainingUsd"]) == (
        "USER",
        "12.5",
        "Europe/Berlin",
        "0",
        "12.5",
    )
    again = await ask(bank, admin, SET, input={"subject": {"userId": member_id}, "period": "MONTH", "limitTokens": 5})
    assert (again["budget"]["id"], again["budget"]["limitUsd"], again["budget"]["limitTokens"]) == (
        budget["id"],
        None,
        5,
    )
    await ask(bank, admin, SET, input={"subject": {"tenant": True}, "period": "TOTAL", "limitUsd": "1"})
    assert [edge["node"]["scope"] for edge in (await ask(bank, admin, LIST))["edges"]] == ["TENANT", "USER"]
    assert [edge["node"]["id"] for edge in (await ask(bank, member, LIST))["edges"]] == [budget["id"]]
    assert (await ask(bank, await make.principal(), LIST))["totalCount"] == 0
    stranger = await make.principal(Role.OWNER)
    assert (await ask(bank, stranger, DELETE, input={"id": budget["id"]}))["code"] == "NOT_FOUND"
    assert (await ask(bank, admin, DELETE, input={"id": budget["id"]}))["deletedId"] == budget["id"]
    assert (await ask(bank, member, LIST))["totalCount"] == 0


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({}, ["input", "limitUsd"]),
        ({"limitUsd": "1,5"}, ["input", "limitUsd"]),
        ({"limitUsd": "NaN"}, ["input", "limitUsd"]),
        ({"limitUsd": "-1"}, ["input", "limitUsd"]),
        ({"limitUsd": "0.0000001"}, ["input", "limitUsd"]),
        ({"limitTokens": -1}, ["input", "limitTokens"]),
        ({"limitTokens": 1, "timeZone": "Mars"}, ["input", "timeZone"]),
        ({"limitTokens": 1, "subject": {"tenant": False}}, ["input", "subject", "tenant"]),
        ({"limitTokens": 1, "subject": {"userId": "nonsense"}}, ["input", "subject", "userId"]),
    ],
)
async def test_limits_have_bounds(bank: Bank, make: Factory, fields: Data, path: list[str]) -> None:
    admin = await make.principal(Role.ADMIN)
    refusal = await ask(bank, admin, SET, input={"subject": {"tenant": True}, "period": "DAY", **fields})
    assert (refusal["__typename"], refusal["path"]) == ("ValidationError", path)


async def test_a_user_of_another_tenant_gets_no_budget(bank: Bank, make: Factory) -> None:
    admin, stranger = await make.principal(Role.ADMIN), await make.principal()
    subject = {"userId": global_id("User", stranger.user_id)}
    refusal = await ask(bank, admin, SET, input={"subject": subject, "period": "DAY", "limitTokens": 1})
    assert refusal["code"] == "NOT_FOUND"


async def test_a_list_of_budgets_takes_as_many_statements_as_one(bank: Bank, make: Factory) -> None:
    admin = await make.principal(Role.ADMIN)
    counts: list[int] = []
    for size in (1, 6):
        for _ in range(size):
            user = await make.principal(beside=admin)
            await bank.budgets.set(admin, BudgetScope.USER, user.user_id, FOREVER)
        with statements(bank.database) as queries:
            await ask(bank, admin, LIST, first=100)
        counts.append(len(queries))
    assert counts[0] == counts[1]


async def make_api_key(database: Database, actor: Principal) -> UUID:
    key_id = new_id()
    async with database.transaction(actor.tenant_id) as session:
        await session.execute(
            text(
                "INSERT INTO api_key (id, tenant_id, user_id, name, key_id, secret_hash, scopes)"
                " VALUES (:id, :tenant, :user, 'Key', :key, '', '{}')"
            ),
            {"id": key_id, "tenant": actor.tenant_id, "user": actor.user_id, "key": str(key_id)},
        )
    return key_id


async def test_a_caller_that_goes_away_while_it_reserves_keeps_nothing(database: Database, make: Factory) -> None:
    actor, bank = await make.principal(), Bank(database)
    await bank.set(actor)
    accounts = CallAccounts(bank.ledger, bank.clock)
    attribution = CallAttribution(actor.tenant_id, actor.user_id, "RUN")

    async def call() -> None:
        async with accounts.account(attribution, ENDPOINT, Usage(0, 1)):
            await asyncio.sleep(60)

    for delay_s in [n / 1_000 for n in range(20)]:
        caller = asyncio.create_task(call())
        await asyncio.sleep(delay_s)
        caller.cancel()
        await asyncio.wait([caller])
    async with asyncio.timeout(20):
        while (await bank.state(actor)).reserved.tokens:  # noqa: ASYNC110 - Postgres tells nobody
            await asyncio.sleep(0.05)
