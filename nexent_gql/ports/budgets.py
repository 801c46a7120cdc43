"""Points that a caller may spend: a bucket that fills up again at a steady rate."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Budget:
    """What a caller may spend: `capacity` points at once, of which `restore_per_s` come back each second."""

    capacity: float
    restore_per_s: float

    def scaled(self, factor: float) -> "Budget":
        """Return a smaller or larger one of the same shape."""
        return Budget(self.capacity * factor, self.restore_per_s * factor)


@dataclass(frozen=True, slots=True)
class Balance:
    """What became of a charge.

    `wait_s` is 0 when it was taken; else nothing was, and after so many seconds it would be. A charge above the
    capacity never fits: its `wait_s` is the time in which an empty bucket fills.
    """

    remaining: float
    wait_s: float = 0.0

    @property
    def taken(self) -> bool:
        """Whether the points are spent."""
        return self.wait_s == 0


class Budgets(Protocol):
    """Keeps one bucket for each key; a bucket that nobody has touched is full."""

    async def charge(self, key: str, points: float, budget: Budget) -> Balance:
        """Take points, or nothing when there are fewer; negative points are given back, up to a full bucket.

        Raises:
            UnavailableError: The store does not answer; the points may be taken.
        """
        ...
