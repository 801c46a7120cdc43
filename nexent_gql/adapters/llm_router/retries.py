"""How much is tried again: waits between calls of one deployment, and a budget for each tenant."""

import random
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from nexent_gql.adapters.llm_router.failures import may_pass
from nexent_gql.ports.llm import ModelError

_MAX_TENANTS = 10_000


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long to wait for deployments that are busy; times in seconds.

    Attributes:
        rounds: How often each deployment is called, the first call included.
        max_calls: Calls for one answer, of all deployments.
        first_wait_s: The longest wait before the second round; it doubles with each, and chance takes up to half.
        longest_wait_s: The longest wait that a provider may ask for; more than that is left to the caller.
    """

    rounds: int = 3
    max_calls: int = 8
    first_wait_s: float = 0.5
    longest_wait_s: float = 20

    def wait_s(self, error: ModelError, round_number: int) -> float | None:
        """Return how long to wait before the round after `round_number`, or None to give up."""
        if round_number >= self.rounds or not may_pass(error):
            return None
        if error.retry_after_s is not None:
            return error.retry_after_s if error.retry_after_s <= self.longest_wait_s else None
        wait_s = min(self.longest_wait_s, self.first_wait_s * 2 ** (round_number - 1))
        return wait_s * random.uniform(0.5, 1)  # noqa: S311 - spreads callers, keeps no secret


class RetryBudgets:
    """Limits the calls beyond the first of each answer, so that an outage is not multiplied.

    Each further call costs a token of the tenant. A whole answer gives one back, and time restores them too.

    Args:
        capacity: Tokens of a tenant that has not failed lately.
        restore_per_s: Tokens that come back without an answer.
        clock: Monotonic seconds.
    """

    def __init__(
        self, capacity: float = 100, restore_per_s: float = 1, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._capacity = capacity
        self._restore_per_s = restore_per_s
        self._clock = clock
        self._tokens: OrderedDict[UUID | None, tuple[float, float]] = OrderedDict()

    def take(self, tenant_id: UUID | None) -> bool:
        """Pay for a further call; False: the budget is used up."""
        tokens = self._current(tenant_id)
        if tokens < 1:
            return False
        self._store(tenant_id, tokens - 1)
        return True

    def give_back(self, tenant_id: UUID | None) -> None:
        """Note a whole answer."""
        if tenant_id in self._tokens:
            self._store(tenant_id, self._current(tenant_id) + 1)

    def _current(self, tenant_id: UUID | None) -> float:
        tokens, at = self._tokens.get(tenant_id, (self._capacity, 0.0))
        return min(self._capacity, tokens + (self._clock() - at) * self._restore_per_s)

    def _store(self, tenant_id: UUID | None, tokens: float) -> None:
        if tokens >= self._capacity:
            self._tokens.pop(tenant_id, None)
            return
        self._tokens[tenant_id] = (tokens, self._clock())
        self._tokens.move_to_end(tenant_id)
        if len(self._tokens) > _MAX_TENANTS:
            self._tokens.popitem(last=False)
