import asyncio
import time
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass, field
from uuid import uuid4

import pytest

from nexent_gql.adapters.budgets_local_credit import PAUSE_S, LocalCreditBudgets
from nexent_gql.adapters.budgets_memory import MemoryBudgets
from nexent_gql.adapters.budgets_redis import RedisBudgets
from nexent_gql.adapters.redis_client import open_redis
from nexent_gql.kernel.errors import UnavailableError
from nexent_gql.ports.budgets import Balance, Budget, Budgets
from tests.support.valkey import ValkeyUnderTest, running_valkey

SLOW = Budget(capacity=100, restore_per_s=0.01)
QUICK = Budget(capacity=100, restore_per_s=1_000)
NEARLY = pytest.approx


@pytest.fixture(scope="module")
def valkey() -> Generator[ValkeyUnderTest]:
    with running_valkey() as running:
        yield running


@pytest.fixture(params=["memory", "redis", "purse"])
async def budgets(request: pytest.FixtureRequest) -> AsyncGenerator[Budgets]:
    if request.param == "memory":
        yield MemoryBudgets()
        return
    async with open_redis(request.getfixturevalue("valkey").url) as link:
        shared = RedisBudgets(link.commands)
        yield shared if request.param == "redis" else LocalCreditBudgets(shared)


@pytest.fixture
def key() -> str:
    return f"{uuid4()}/{uuid4()}"


async def test_takes_points_until_there_are_none(budgets: Budgets, key: str) -> None:
    for left in (60, 20):
        balance = await budgets.charge(key, 40, SLOW)
        assert (balance.taken, balance.remaining) == (True, NEARLY(left, abs=0.1))
    refused = await budgets.charge(key, 40, SLOW)
    assert (refused.taken, refused.remaining) == (False, NEARLY(20, abs=0.1))
    assert refused.wait_s == NEARLY(2_000, rel=0.01)
    assert (await budgets.charge(key, 15, SLOW)).taken


async def test_what_is_given_back_can_be_spent(budgets: Budgets, key: str) -> None:
    await budgets.charge(key, 100, SLOW)
    assert not (await budgets.charge(key, 50, SLOW)).taken
    assert (await budgets.charge(key, -90, SLOW)).remaining == NEARLY(90, abs=0.1)
    assert (await budgets.charge(key, 85, SLOW)).taken
    assert not (await budgets.charge(key, 50, SLOW)).taken


async def test_a_full_bucket_takes_nothing_back(budgets: Budgets, key: str) -> None:
    assert (await budgets.charge(key, -50, SLOW)).remaining == NEARLY(100)
    assert not (await budgets.charge(key, 101, SLOW)).taken


async def test_fills_up_with_time(budgets: Budgets, key: str) -> None:
    await budgets.charge(key, 100, QUICK)
    await asyncio.sleep(0.15)
    assert (await budgets.charge(key, 100, QUICK)).taken


async def test_what_never_fits_takes_nothing(budgets: Budgets, key: str) -> None:
    refused = await budgets.charge(key, 101, SLOW)
    assert (refused.taken, refused.wait_s) == (False, NEARLY(10_000, rel=0.01))
    assert (await budgets.charge(key, 100, SLOW)).taken


async def test_keys_do_not_share(budgets: Budgets, key: str) -> None:
    await budgets.charge(key, 100, SLOW)
    assert (await budgets.charge(f"{key}x", 100, SLOW)).taken


async def test_many_at_once_get_no_more_than_there_is(budgets: Budgets, key: str) -> None:
    balances = await asyncio.gather(*(budgets.charge(key, 10, SLOW) for _ in range(25)))
    spent = sum(balance.taken for balance in balances)
    assert spent == 10 or (spent == 9 and isinstance(budgets, LocalCreditBudgets)), "the rest is in the purse"


async def test_a_key_of_redis_is_gone_when_its_bucket_is_full(valkey: ValkeyUnderTest, key: str) -> None:
    name = f"nx:{{budget:{key}}}"
    async with open_redis(valkey.url) as link:
        budgets = RedisBudgets(link.commands)
        began = time.monotonic()
        await budgets.charge(key, 50, Budget(100, 10))
        remaining_ms = await link.commands.execute("PTTL", name)
        assert isinstance(remaining_ms, int)
        assert 4_000 - (time.monotonic() - began) * 1_000 < remaining_ms <= 5_000
        await budgets.charge(key, -50, Budget(100, 10))
        assert await link.commands.execute("EXISTS", name) == 0


async def test_memory_forgets_who_was_not_there_for_longest() -> None:
    budgets = MemoryBudgets(max_keys=2)
    for key in ("a", "b", "c"):
        await budgets.charge(key, 100, SLOW)
    assert (await budgets.charge("a", 100, SLOW)).taken
    assert not (await budgets.charge("c", 100, SLOW)).taken


@dataclass
class Store:
    """Counts the charges; unavailable while `is_away`."""

    time_s: float = 1_000.0
    charge_count: int = 0
    is_away: bool = False
    inner: MemoryBudgets = field(init=False)

    def __post_init__(self) -> None:
        self.inner = MemoryBudgets(now=self.now)

    def now(self) -> float:
        return self.time_s

    async def charge(self, key: str, points: float, budget: Budget) -> Balance:
        self.charge_count += 1
        if self.is_away:
            raise UnavailableError("gone")
        return await self.inner.charge(key, points, budget)


LARGE = Budget(capacity=10_000, restore_per_s=400)


async def test_small_charges_share_a_round_trip() -> None:
    store = Store()
    budgets = LocalCreditBudgets(store, now=store.now)
    for spent in range(1, 101):
        assert (await budgets.charge("a", 1, LARGE)).remaining == NEARLY(10_000 - spent)
    assert store.charge_count == 1


async def test_a_purse_costs_nothing_in_the_long_run() -> None:
    store = Store()
    budgets = LocalCreditBudgets(store, now=store.now)
    for _ in range(600):
        store.time_s += 1
        balance = await budgets.charge("a", 5, LARGE)
        assert balance.remaining >= 9_990
    assert (await store.inner.charge("a", 9_800, LARGE)).taken


async def test_a_large_refund_goes_to_the_store_for_all_processes() -> None:
    store = Store()
    budgets = LocalCreditBudgets(store, now=store.now)
    await budgets.charge("a", 9_000, LARGE)
    assert not (await store.inner.charge("a", 5_000, LARGE)).taken
    await budgets.charge("a", -8_000, LARGE)
    assert (await store.inner.charge("a", 5_000, LARGE)).taken


async def test_spends_half_alone_while_the_store_is_away_and_asks_once_a_second() -> None:
    store = Store(is_away=True)
    budgets = LocalCreditBudgets(store, now=store.now)
    charges = [(await budgets.charge("a", 1_000, LARGE)).taken for _ in range(10)]
    assert (charges.count(True), store.charge_count) == (5, 1)
    store.time_s += PAUSE_S * 5
    assert [(await budgets.charge("a", 1_000, LARGE)).taken for _ in range(2)] == [True, False]
    assert store.charge_count == 2
    store.is_away = False
    store.time_s += PAUSE_S
    assert (await budgets.charge("a", 9_000, LARGE)).taken


async def test_a_redis_that_dies_stops_nobody() -> None:
    with running_valkey() as valkey:
        async with open_redis(valkey.url) as link:
            budgets = LocalCreditBudgets(RedisBudgets(link.commands))
            assert (await budgets.charge("a", 60, SLOW)).taken
            await asyncio.to_thread(valkey.kill)
            assert (await budgets.charge("a", 45, SLOW)).taken
            assert not (await budgets.charge("a", 45, SLOW)).taken
