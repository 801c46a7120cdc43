"""Rate and connection limits in the memory of a process."""

from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from time import monotonic


class TokenBucket:
    """A token bucket.

    Args:
        burst: Capacity; the bucket starts full.
        per_s: Tokens added each second.
        now: Seconds of a monotonic clock.
    """

    def __init__(self, burst: int, per_s: float, now: Callable[[], float] = monotonic) -> None:
        self._burst = float(burst)
        self._tokens = float(burst)
        self._per_s = per_s
        self._now = now
        self._updated_at = now()

    def take(self) -> bool:
        """Take a token; return False when there is none."""
        now = self._now()
        self._tokens = min(self._tokens + (now - self._updated_at) * self._per_s, self._burst)
        self._updated_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class ConnectionLimiter:
    """Counts connections by key, up to `limit` for each."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._counts: Counter[str] = Counter()

    def acquire(self, key: str) -> bool:
        """Take one of the key's slots; return False when none is free."""
        if self._counts[key] >= self._limit:
            return False
        self._counts[key] += 1
        return True

    def release(self, key: str) -> None:
        """Give a slot back."""
        self._counts[key] -= 1
        if not self._counts[key]:
            del self._counts[key]

    @contextmanager
    def hold(self, key: str) -> Generator[bool]:
        """Hold one of the key's slots; yield False, holding nothing, when none is free."""
        is_held = self.acquire(key)
        try:
            yield is_held
        finally:
            if is_held:
                self.release(key)

    @property
    def total(self) -> int:
        """The number of connections under all keys."""
        return self._counts.total()
