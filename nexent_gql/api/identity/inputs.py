"""Inputs of mutations of accounts and credentials."""

from datetime import datetime

import strawberry

from nexent_gql.api.identity.values import Role, Scope

_EMAIL = "E-mail address, at most 254 characters; letter case does not matter."
_PASSWORD = "10 to 256 characters. Refused when it is easy to guess, or consists of names or the e-mail address."  # noqa: S105 - words about passwords
_DISPLAY_NAME = "Shown to people, 1 to 80 characters in one line."


@strawberry.input(description="A new tenant and its owner.")
class SignUpInput:
    """See `SignInService.sign_up`."""

    email: str = strawberry.field(description=f"{_EMAIL} One address has one account in the whole installation.")
    password: str = strawberry.field(description=_PASSWORD)
    display_name: str = strawberry.field(description=_DISPLAY_NAME)
    tenant_name: str = strawberry.field(description="Name of the tenant, 1 to 80 characters in one line.")


@strawberry.input(description="An e-mail address and a password.")
class SignInInput:
    """See `SignInService.sign_in`."""

    email: str = strawberry.field(description=_EMAIL)
    password: str = strawberry.field(description="The password.")
    new_password: str | None = strawberry.field(
        default=None,
        description="Required when the password is temporary, which is answered with PASSWORD_CHANGE_REQUIRED: the "
        f"password from now on. {_PASSWORD} Ignored otherwise.",
    )


@strawberry.input(description="The session to continue.")
class RefreshSessionInput:
    """See `SessionService.refresh`."""

    refresh_token: str = strawberry.field(description="The last one that you got; it is good for one exchange.")


@strawberry.input(description="Which sessions to end.")
class SignOutInput:
    """See `SessionService.sign_out`."""

    everywhere: bool = strawberry.field(
        default=False, description="End all your sessions, on all devices, instead of this one."
    )


@strawberry.input(description="A new API key for yourself.")
class CreateApiKeyInput:
    """See `ApiKeyService.create`."""

    name: str = strawberry.field(description="Purpose of the key, 1 to 80 characters in one line.")
    scopes: list[Scope] = strawberry.field(
        default_factory=lambda: [Scope.READ, Scope.WRITE],
        description="What the key may be used for, at least one. Defaults to both.",
    )
    expires_at: datetime | None = strawberry.field(
        default=None, description="When it expires, at most ten years ahead. Null or omitted: never."
    )


@strawberry.input(description="Which API key to revoke.")
class RevokeApiKeyInput:
    """See `ApiKeyService.revoke`."""

    id: strawberry.ID = strawberry.field(description="The key: your own, or as an administrator anybody's.")


@strawberry.input(description="A new account in your tenant.")
class CreateUserInput:
    """See `UserService.create`."""

    email: str = strawberry.field(description=f"{_EMAIL} One address has one account in the whole installation.")
    password: str = strawberry.field(description=f"First password, which you hand over. {_PASSWORD}")
    display_name: str = strawberry.field(description=_DISPLAY_NAME)
    role: Role = strawberry.field(default=Role.MEMBER, description="What they may do; not above your own role.")
    must_change_password: bool = strawberry.field(
        default=True,
        description="Whether the password is temporary: good for one sign-in within seven days, which has to choose a "
        "new one.",
    )


@strawberry.input(description="Whose role to change.")
class SetUserRoleInput:
    """See `UserService.set_role`."""

    id: strawberry.ID = strawberry.field(description="The user; their role must not be above yours.")
    role: Role = strawberry.field(description="The new role; not above your own.")


@strawberry.input(description="The user to deactivate.")
class DeactivateUserInput:
    """See `UserService.deactivate`."""

    id: strawberry.ID = strawberry.field(description="The user; their role must not be above yours.")


@strawberry.input(description="The user who may sign in again.")
class ActivateUserInput:
    """See `UserService.activate`."""

    id: strawberry.ID = strawberry.field(description="The user; their role must not be above yours.")


@strawberry.input(description="Your present password and the next one.")
class ChangePasswordInput:
    """See `PasswordService.change`."""

    current_password: str = strawberry.field(description="Your present password.")
    new_password: str = strawberry.field(description=f"The password from now on. {_PASSWORD}")


@strawberry.input(description="The user whose password to reset.")
class ResetUserPasswordInput:
    """See `PasswordService.reset`."""

    id: strawberry.ID = strawberry.field(description="The user: not yourself, and their role must not be above yours.")


@strawberry.input(description="Which of your sessions to end.", one_of=True)
class EndSessionsInput:
    """See `SessionService.end` and `end_others`."""

    id: strawberry.Maybe[strawberry.ID] = strawberry.field(description="One session, which may be the present one.")
    others: strawberry.Maybe[bool] = strawberry.field(description="True: all sessions but the present one.")
