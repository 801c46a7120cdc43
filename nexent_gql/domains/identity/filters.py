"""Filters of lists of users and groups."""

from dataclasses import dataclass
from uuid import UUID

from nexent_gql.kernel.principal import Role


@dataclass(frozen=True, slots=True)
class UserFilter:
    """Which users of a tenant.

    Attributes:
        search: Those whose display name contains this text, regardless of case; None for all.
        has_email: Whether the text may also be part of the email address.
        role: Those with this role; None for all.
        is_active: Active or deactivated ones; None for both.
        group_id: Members of this group; None for all.
    """

    search: str | None = None
    has_email: bool = False
    role: Role | None = None
    is_active: bool | None = None
    group_id: UUID | None = None


ALL_USERS = UserFilter()


@dataclass(frozen=True, slots=True)
class GroupFilter:
    """Which groups of a tenant: those whose name contains `search`, and that a user is in. None allows all."""

    search: str | None = None
    user_id: UUID | None = None


ALL_GROUPS = GroupFilter()
