"""Token buckets in this process's memory: a fallback, and for tests."""

from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

from nexent_gql.ports.budgets import Balance, Budget

MAX_KEYS = 50_000


class MemoryBudgets:
    """Implements `Budgets`: stores for each key when its bucket is full again.

    Args:
        max_keys: Number of buckets kept; the least recently used are dropped first, and so are full again.
        now: A monotonic clock in seconds.
    """

    def __init__(self, *, max_keys: int = MAX_KEYS, now: Callable[[], float] = monotonic) -> None:
        self._full_at: OrderedDict[str, float] = OrderedDict()
        self._max_keys = max_keys
        self._now = now

    async def charge(self, key: str, points: float, budget: Budget) -> Balance:
        """Take points; see `Budgets.charge`."""
        now, rate, longest_s = self._now(), budget.restore_per_s, budget.capacity / budget.restore_per_s
        missing_s = min(max(self._full_at.get(key, 0.0) - now, 0.0), longest_s)
        wanted_s = max(missing_s + points / rate, 0.0)
        if points > 0 and wanted_s > longest_s:
            fits = points <= budget.capacity
            return Balance((longest_s - missing_s) * rate, wanted_s - longest_s if fits else longest_s)
        self._full_at[key] = now + wanted_s
        self._full_at.move_to_end(key)
        if len(self._full_at) > self._max_keys:
            self._full_at.popitem(last=False)
        return Balance((longest_s - wanted_s) * rate)
