"""Ratings of answers as developers list them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from nexent_gql.domains.conversations.tables import Rating


@dataclass(frozen=True, slots=True)
class RatingFilter:
    """Which ratings of a tenant; None: all."""

    agent_id: UUID | None = None
    rating: Rating | None = None


@dataclass(frozen=True, slots=True)
class RatedAnswer:
    """A rating, with what produced the answer, and when the answer was begun."""

    message_id: UUID
    rating: str
    comment: str | None
    answered_at: datetime
    agent_id: UUID
    model_name: str | None
