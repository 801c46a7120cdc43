"""How fast and how often: counts that cost nothing and are kept in this process."""

from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from time import monotonic


class Pace:
    """A bucket of turns that fills up again.

    Args:
        burst: Turns at once.
        per_s: Turns per second, in the long run.
        now: Seconds of a clock that never goes back.
    """

    def __init__(self, burst: int, per_s: float, now: Callable[[], float] = monotonic) -> None:
        self._burst = float(burst)
        self._left = float(burst)
        self._per_s = per_s
        self._now = now
        self._at = now()

    def take(self) -> bool:
        """Take a turn; False: there is none."""
        now = self._now()
        self._left = min(self._left + (now - self._at) * self._per_s, self._burst)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Crowd:
    """How many connections each caller has, up to `limit`."""

    def __init__(self, limit: int) -> None:
        """Begin with nobody there."""
        self._limit = limit
        self._there: Counter[str] = Counter()

    @contextmanager
    def join(self, key: str) -> Generator[bool]:
        """Be there until the block ends, unless the caller's share is used up; tells which."""
        joins = self._there[key] < self._limit
        self._there[key] += joins
        try:
            yield joins
        finally:
            self._there[key] -= joins
            if not self._there[key]:
                del self._there[key]
