"""Budgets that rarely ask their store, and work without it.

While a bucket is at least half full, a charge takes in advance what the bucket restores in a quarter of a second. This
local credit pays for the next charges without a round trip. It expires at the rate at which the bucket fills, so no
points are lost when the caller does not come back.

While the store is away, each process lets a caller spend half of the budget by its own count.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

import structlog

from nexent_gql.adapters.budgets_memory import MAX_KEYS, MemoryBudgets
from nexent_gql.kernel.errors import UnavailableError
from nexent_gql.ports.budgets import Balance, Budget, Budgets

CREDIT_S = 0.25
ANSWER_S = 0.25
PAUSE_S = 1.0
FALLBACK_SHARE = 0.5
_PLENTY = 0.5
_LARGEST = 0.1
_log = structlog.get_logger()


@dataclass(slots=True)
class _Credit:
    points: float
    at: float
    store_has: float


class LocalCreditBudgets:
    """Charges the local credit first, then `store`, and memory while the store is away; see `Budgets`.

    Never raises. A store that does not answer within a quarter of a second is not asked again for a second.
    """

    def __init__(self, store: Budgets, *, now: Callable[[], float] = monotonic) -> None:
        self._store = store
        self._fallback = MemoryBudgets(now=now)
        self._credits: OrderedDict[str, _Credit] = OrderedDict()
        self._away_until = 0.0
        self._now = now

    async def charge(self, key: str, points: float, budget: Budget) -> Balance:
        """Take points, or add what is given back to the local credit; see `Budgets.charge`."""
        credit = self._current(key, budget)
        if credit is not None and 0 <= credit.points - points <= budget.capacity * _LARGEST:
            credit.points -= points
            return Balance(min(credit.store_has + credit.points, budget.capacity))
        if self._now() < self._away_until:
            return await self._fallback.charge(key, points, budget.scaled(FALLBACK_SHARE))
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self._charge_store(key, points, credit.points if credit else 0.0, budget)
        except (UnavailableError, TimeoutError) as error:
            _log.warning("rate_limits.store_unavailable", error=type(error).__name__)
            self._away_until = self._now() + PAUSE_S
            return await self._fallback.charge(key, points, budget.scaled(FALLBACK_SHARE))

    def _current(self, key: str, budget: Budget) -> _Credit | None:
        credit = self._credits.get(key)
        if credit is not None:
            now = self._now()
            restored = (now - credit.at) * budget.restore_per_s
            credit.points, credit.at = max(credit.points - restored, 0.0), now
            credit.store_has = min(credit.store_has + restored, budget.capacity)
        return credit

    async def _charge_store(self, key: str, points: float, local: float, budget: Budget) -> Balance:
        """Charge the store for what the local credit lacks, and renew the credit while the bucket is half full."""
        previous = self._credits.pop(key, None)
        plenty = previous is None or previous.store_has > budget.capacity * _PLENTY
        extra = min(budget.restore_per_s * CREDIT_S, budget.capacity * _LARGEST) if plenty else 0.0
        balance = await self._store.charge(key, points - local + extra, budget)
        if extra and not balance.taken:
            balance, extra = await self._store.charge(key, points - local, budget), 0.0
        if not balance.taken:
            self._keep(key, local, balance)
            return balance
        self._keep(key, extra, balance)
        return Balance(min(balance.remaining + extra, budget.capacity))

    def _keep(self, key: str, points: float, balance: Balance) -> None:
        concurrent = self._credits.pop(key, None)
        self._credits[key] = _Credit(
            points + (concurrent.points if concurrent else 0.0), self._now(), balance.remaining
        )
        if len(self._credits) > MAX_KEYS:
            self._credits.popitem(last=False)
