"""Who is asking: the first argument of every service method."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from nexent_gql.kernel.errors import ForbiddenError


class Role(StrEnum):
    """What a member of a tenant may do; each role includes the ones below it."""

    OWNER = "OWNER"
    ADMIN = "ADMIN"
    DEVELOPER = "DEVELOPER"
    MEMBER = "MEMBER"


class Scope(StrEnum):
    """What a credential may be used for; a session has both."""

    READ = "READ"
    WRITE = "WRITE"


_RANK = {Role.MEMBER: 0, Role.DEVELOPER: 1, Role.ADMIN: 2, Role.OWNER: 3}


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated user within one tenant.

    `session_id` names the session or, for an API key, is None, and `api_key_id` the other way round; `expires_at`
    is when the credential ends (None: never), at which open subscriptions end too.
    """

    tenant_id: UUID
    user_id: UUID
    role: Role
    scopes: frozenset[Scope] = frozenset(Scope)
    session_id: UUID | None = None
    expires_at: datetime | None = None
    api_key_id: UUID | None = None

    def is_at_least(self, role: Role) -> bool:
        """Tell whether this principal's role includes `role`."""
        return _RANK[self.role] >= _RANK[role]

    def require(self, role: Role) -> None:
        """Pass when the principal has `role` or a higher one.

        Raises:
            ForbiddenError: The role is too low.
        """
        if not self.is_at_least(role):
            message = f"This needs the role {role} or higher; ask an administrator of your tenant."
            raise ForbiddenError(message, required=role.value)
