"""Who may call a field: every root field names one of these in `permission_classes`."""

from functools import cache

from strawberry.permission import BasePermission

from nexent_gql.api.context import Info
from nexent_gql.kernel.principal import Role


class Public(BasePermission):
    """Everybody, also without a credential."""

    def has_permission(self, source: object, info: Info, **kwargs: object) -> bool:  # noqa: ARG002 - the base names them
        """Let the caller through."""
        return True


class SignedIn(BasePermission):
    """Whoever has a valid credential."""

    role = Role.MEMBER

    def has_permission(self, source: object, info: Info, **kwargs: object) -> bool:  # noqa: ARG002 - as above
        """Check the role.

        Raises:
            UnauthenticatedError: There is no credential.
            ForbiddenError: The role is too low.
        """
        info.context.actor.require(self.role)
        return True


@cache
def role_at_least(role: Role) -> type[SignedIn]:
    """Return the permission for callers with `role` or a higher one."""
    return type(f"{role.value.title()}OrHigher", (SignedIn,), {"role": role, "__doc__": f"At least {role}."})
