"""Inputs of mutations of accounts and credentials."""

from datetime import datetime

import strawberry

from nexent_gql.api.identity.values import Role, Scope

_EMAIL = "Email address, at most 254 characters, not case-sensitive."
_PASSWORD = "10 to 256 characters. Rejected if it is easy to guess or derived from names or the email address."  # noqa: S105 - words about passwords
_DISPLAY_NAME = "Display name. One line of 1 to 80 characters."


@strawberry.input(description="Input of `signUp`.")
class SignUpInput:
    email: str = strawberry.field(description=f"{_EMAIL} Unique in the whole installation.")
    password: str = strawberry.field(description=_PASSWORD)
    display_name: str = strawberry.field(description=_DISPLAY_NAME)
    tenant_name: str = strawberry.field(description="Name of the tenant. One line of 1 to 80 characters.")


@strawberry.input(description="Input of `signIn`.")
class SignInInput:
    email: str = strawberry.field(description=_EMAIL)
    password: str = strawberry.field(description="Password of the account.")
    new_password: str | None = strawberry.field(
        default=None,
        description="New password, required if the current one is temporary. Without it, a temporary password "
        f"returns PASSWORD_CHANGE_REQUIRED. {_PASSWORD} Ignored otherwise.",
    )


@strawberry.input(description="Input of `refreshSession`.")
class RefreshSessionInput:
    refresh_token: str = strawberry.field(
        description="The refresh token of the last response. It is valid for one exchange."
    )


@strawberry.input(description="Input of `signOut`.")
class SignOutInput:
    everywhere: bool = strawberry.field(
        default=False, description="Whether to end all of your sessions instead of the current one. Default false."
    )


@strawberry.input(description="Input of `createApiKey`.")
class CreateApiKeyInput:
    name: str = strawberry.field(description="What the key is for. One line of 1 to 80 characters.")
    scopes: list[Scope] = strawberry.field(
        default_factory=lambda: [Scope.READ, Scope.WRITE],
        description="What the key can be used for, at least one scope. Default READ and WRITE.",
    )
    expires_at: datetime | None = strawberry.field(
        default=None, description="When the key expires, at most ten years ahead. Null means never."
    )


@strawberry.input(description="Input of `revokeApiKey`.")
class RevokeApiKeyInput:
    id: strawberry.ID = strawberry.field(description="ID of the ApiKey.")


@strawberry.input(description="Input of `createUser`.")
class CreateUserInput:
    email: str = strawberry.field(description=f"{_EMAIL} Unique in the whole installation.")
    password: str = strawberry.field(description=f"Initial password to pass on to the user. {_PASSWORD}")
    display_name: str = strawberry.field(description=_DISPLAY_NAME)
    role: Role = strawberry.field(
        default=Role.MEMBER, description="Role of the user, not above your own. Default MEMBER."
    )
    must_change_password: bool = strawberry.field(
        default=True,
        description="Whether the password is temporary, which means valid for one sign-in within seven days that "
        "sets a new password. Default true.",
    )


@strawberry.input(description="Input of `setUserRole`.")
class SetUserRoleInput:
    id: strawberry.ID = strawberry.field(description="ID of the User. Their role must not be above yours.")
    role: Role = strawberry.field(description="The new role, not above your own.")


@strawberry.input(description="Input of `deactivateUser`.")
class DeactivateUserInput:
    id: strawberry.ID = strawberry.field(description="ID of the User. Their role must not be above yours.")


@strawberry.input(description="Input of `activateUser`.")
class ActivateUserInput:
    id: strawberry.ID = strawberry.field(description="ID of the User. Their role must not be above yours.")


@strawberry.input(description="Input of `changePassword`.")
class ChangePasswordInput:
    current_password: str = strawberry.field(description="Your current password.")
    new_password: str = strawberry.field(description=f"Your new password. {_PASSWORD}")


@strawberry.input(description="Input of `resetUserPassword`.")
class ResetUserPasswordInput:
    id: strawberry.ID = strawberry.field(
        description="ID of the User, other than yourself. Their role must not be above yours."
    )


@strawberry.input(description="Input of `endSessions`.", one_of=True)
class EndSessionsInput:
    id: strawberry.Maybe[strawberry.ID] = strawberry.field(
        description="ID of one Session, which can be the current one."
    )
    others: strawberry.Maybe[bool] = strawberry.field(
        description="Must be true. Ends all sessions except the current one."
    )
