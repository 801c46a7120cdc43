"""When circuits open, and how long leases last."""

from dataclasses import dataclass
from typing import Self

MAX_LEASE_S = 30.0


@dataclass(frozen=True, slots=True)
class CapacitySettings:
    """Bounds of leases, queues and circuit breakers; times in seconds.

    Attributes:
        lease_s: A lease that is not renewed for so long is free again: its worker has died.
        waiter_s: A call that does not ask again for so long has left the queue.
        max_waiting: Calls that may wait for one deployment.
        slot_s: Requests and tokens are counted in slots of this length, over a window of a minute and one slot.
        failures_to_open: Failures in a row that open a circuit.
        min_calls: Calls within the window from which on the share of failures counts.
        failure_share: The share of failed calls that opens a circuit.
        open_s: How long a circuit stays open; it doubles each time the call that tries the deployment fails.
        max_open_s: The longest time that a circuit stays open.
        down_s: How long a circuit stays open at first after a failure that somebody has to repair, such as a bad key.
    """

    lease_s: float = MAX_LEASE_S
    waiter_s: float = 3
    max_waiting: int = 1_000
    slot_s: float = 5
    failures_to_open: int = 5
    min_calls: int = 10
    failure_share: float = 0.5
    open_s: float = 5
    max_open_s: float = 60
    down_s: float = 30

    @classmethod
    def of(cls, lease_s: float) -> Self:
        """Return settings with a lease of another length, at most 30 seconds."""
        return cls(lease_s=min(lease_s, MAX_LEASE_S))


WINDOW_S = 60.0
POLL_S = 0.05
MAX_POLL_S = 0.5
