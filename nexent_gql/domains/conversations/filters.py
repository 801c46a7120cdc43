"""Filters of lists of conversations."""

from dataclasses import dataclass
from uuid import UUID

from nexent_gql.kernel.patch import UNSET, Unset


@dataclass(frozen=True, slots=True)
class ConversationFilter:
    """Which conversations of an owner.

    Attributes:
        is_archived: Archived ones, or those that are not.
        is_pinned: Pinned ones, or those that are not; None for both.
        agent_id: Those of one agent; None for all.
        search: Those whose title contains this text, regardless of case; None for all.
    """

    is_archived: bool = False
    is_pinned: bool | None = None
    agent_id: UUID | None = None
    search: str | None = None


@dataclass(frozen=True, slots=True)
class ConversationPatch:
    """Changes of how a conversation is listed."""

    is_pinned: bool | Unset = UNSET
    is_archived: bool | Unset = UNSET
