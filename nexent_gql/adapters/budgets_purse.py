"""Budgets that rarely ask their store, and go on without it.

While a bucket is at least half full, a charge takes a little more than asked: what the bucket restores in a quarter
of a second. That purse pays the next charges without a round trip. It melts at the rate at which the bucket fills,
so what is left in it when nobody comes back is never missed.

While the store is away, each process lets a caller spend half of the budget by its own count: bounded, and no outage.
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

PURSE_S = 0.25
ANSWER_S = 0.25
PAUSE_S = 1.0
ALONE = 0.5
_PLENTY = 0.5
_LARGEST = 0.1
_log = structlog.get_logger()


@dataclass(slots=True)
class _Purse:
    points: float
    at: float
    store_has: float


class PursedBudgets:
    """Pays from purses first, then from `store`, and from memory while that is away; see `Budgets`.

    Never raises: a store that does not answer within a quarter of a second is not asked again for a second.
    """

    def __init__(self, store: Budgets, *, now: Callable[[], float] = monotonic) -> None:
        self._store = store
        self._alone = MemoryBudgets(now=now)
        self._purses: OrderedDict[str, _Purse] = OrderedDict()
        self._away_until = 0.0
        self._now = now

    async def charge(self, key: str, points: float, budget: Budget) -> Balance:
        """Take points, or put back into the purse what is given back; see `Budgets.charge`."""
        purse = self._melted(key, budget)
        if purse is not None and 0 <= purse.points - points <= budget.capacity * _LARGEST:
            purse.points -= points
            return Balance(min(purse.store_has + purse.points, budget.capacity))
        if self._now() < self._away_until:
            return await self._alone.charge(key, points, budget.scaled(ALONE))
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self._ask(key, points, purse.points if purse else 0.0, budget)
        except (UnavailableError, TimeoutError) as error:
            _log.warning("budgets.store_away", error=type(error).__name__)
            self._away_until = self._now() + PAUSE_S
            return await self._alone.charge(key, points, budget.scaled(ALONE))

    def _melted(self, key: str, budget: Budget) -> _Purse | None:
        purse = self._purses.get(key)
        if purse is not None:
            now = self._now()
            restored = (now - purse.at) * budget.restore_per_s
            purse.points, purse.at = max(purse.points - restored, 0.0), now
            purse.store_has = min(purse.store_has + restored, budget.capacity)
        return purse

    async def _ask(self, key: str, points: float, held: float, budget: Budget) -> Balance:
        """Charge the store for what the purse lacks, and fill the purse when there is plenty."""
        known = self._purses.pop(key, None)
        plenty = known is None or known.store_has > budget.capacity * _PLENTY
        extra = min(budget.restore_per_s * PURSE_S, budget.capacity * _LARGEST) if plenty else 0.0
        balance = await self._store.charge(key, points - held + extra, budget)
        if extra and not balance.taken:
            balance, extra = await self._store.charge(key, points - held, budget), 0.0
        if not balance.taken:
            self._keep(key, held, balance)
            return balance
        self._keep(key, extra, balance)
        return Balance(min(balance.remaining + extra, budget.capacity))

    def _keep(self, key: str, points: float, balance: Balance) -> None:
        beside = self._purses.pop(key, None)
        self._purses[key] = _Purse(points + (beside.points if beside else 0.0), self._now(), balance.remaining)
        if len(self._purses) > MAX_KEYS:
            self._purses.popitem(last=False)
