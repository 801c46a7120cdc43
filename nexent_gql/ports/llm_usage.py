"""What is kept of each call of a model."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from nexent_gql.ports.llm import CallAttribution, ModelEndpoint, Usage


@dataclass(frozen=True, slots=True)
class ModelCallRecord:
    """A call that has ended, in whatever way.

    Attributes:
        id: Of the call; a record that is written twice counts once.
        is_estimated: Whether the provider gave no token counts, so that they were estimated from what arrived.
        latency_ms: Until the end of the answer.
        first_token_ms: Until the first piece of the answer; None: none came.
        error_code: Why there is no whole answer; "LEFT" when the caller went away. None: the answer is whole.
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


class ModelCallLog(Protocol):
    """Keeps records of calls."""

    async def record(self, call: ModelCallRecord) -> None:
        """Write a record durably, once however often it is called.

        Raises:
            UnavailableError: The store is away.
        """
        ...
