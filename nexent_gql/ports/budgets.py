"""Token buckets: points that a caller may spend, restored at a steady rate up to a capacity."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Budget:
    """The size of a token bucket: `capacity` points, of which `restore_per_s` are restored each second."""

    capacity: float
    restore_per_s: float

    def scaled(self, factor: float) -> "Budget":
        """Return a budget with capacity and rate multiplied by `factor`."""
        return Budget(self.capacity * factor, self.restore_per_s * factor)


@dataclass(frozen=True, slots=True)
class Balance:
    """The result of a charge.

    `wait_s` is 0 if the points were taken; else none were, and the charge would succeed after that many seconds. A
    charge above the capacity never succeeds: its `wait_s` is the time in which an empty bucket fills.
    """

    remaining: float
    wait_s: float = 0.0

    @property
    def taken(self) -> bool:
        """Whether no points are left."""
        return self.wait_s == 0


class Budgets(Protocol):
    """One token bucket per key; an unused bucket is full."""

    async def charge(self, key: str, points: float, budget: Budget) -> Balance:
        """Take points if the bucket has enough; negative points are a refund, up to the capacity.

        Raises:
            UnavailableError: The store does not answer; the points may have been taken.
        """
        ...
