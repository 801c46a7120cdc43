"""The accounts of model calls: reserved before a call, settled after it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from nexent_gql.ports.llm import CallAttribution, ModelEndpoint, Usage


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """A call that is about to be made.

    Attributes:
        id: Of the call.
        usage: The tokens to reserve: those that are sent, and the most that may be received.
    """

    id: UUID
    attribution: CallAttribution
    endpoint: ModelEndpoint
    started_at: datetime
    usage: Usage


@dataclass(frozen=True, slots=True)
class ModelCallRecord:
    """A call that has ended, in whatever way.

    Attributes:
        id: Of the call; a record that is written twice counts once.
        is_estimated: Whether the provider gave no token counts, so that they were estimated from what arrived.
        latency_ms: Until the end of the answer.
        first_token_ms: Until the first piece of the answer; None: none came.
        error_code: Why there is no whole answer; "LEFT" when the caller went away. None: the answer is whole.
        is_cached: Whether the result came from a cache, so that the provider was not called and it costs nothing.
    """

    id: UUID
    attribution: CallAttribution
    endpoint: ModelEndpoint
    started_at: datetime
    usage: Usage
    is_estimated: bool
    latency_ms: int
    first_token_ms: int | None = None
    error_code: str | None = None
    is_cached: bool = False


class ModelCallLedger(Protocol):
    """Keeps the accounts of calls. A call that is opened is closed once, or ends with its lease."""

    @property
    def lease_s(self) -> float:
        """Seconds for which a call stays open without being renewed."""
        ...

    def cost(self, endpoint: ModelEndpoint, started_at: datetime, usage: Usage) -> Decimal | None:
        """Return what a call costs in US dollars; None without a price."""
        ...

    async def open(self, call: PlannedCall) -> None:
        """Reserve what a call may cost.

        Raises:
            QuotaExceededError: A budget does not have that much left.
            UnavailableError: The store is away.
        """
        ...

    async def renew(self, call: PlannedCall, received_tokens: int) -> None:
        """Extend the lease of a call that is still being made, and note how much has been received.

        Raises:
            UnavailableError: The store is away.
        """
        ...

    async def release(self, call: PlannedCall) -> None:
        """Drop the reservation of a call that will not be made.

        Raises:
            UnavailableError: The store is away.
        """
        ...

    async def close(self, call: ModelCallRecord) -> None:
        """Replace the reservation by what the call used, durably, and once however often it is called.

        Raises:
            UnavailableError: The store is away.
        """
        ...
