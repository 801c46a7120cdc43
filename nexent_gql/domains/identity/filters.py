"""Filters of lists of users."""

from dataclasses import dataclass

from nexent_gql.kernel.principal import Role


@dataclass(frozen=True, slots=True)
class UserFilter:
    """Which users of a tenant.

    Attributes:
        search: Those whose display name contains this text, regardless of case; None for all.
        has_email: Whether the text may also be part of the email address.
        role: Those with this role; None for all.
        is_active: Active or deactivated ones; None for both.
    """

    search: str | None = None
    has_email: bool = False
    role: Role | None = None
    is_active: bool | None = None


ALL_USERS = UserFilter()
