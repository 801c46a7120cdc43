"""What can go wrong with accounts and credentials."""

from datetime import datetime
from uuid import UUID

from nexent_gql.kernel.errors import (
    ConflictError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    QuotaExceededError,
    UnauthenticatedError,
)
from nexent_gql.kernel.principal import Role


class InvalidTokenError(UnauthenticatedError):
    """An access token or API key that is wrong, expired or revoked; which of these is not told."""

    def __init__(self) -> None:
        super().__init__("This credential is not valid, or not any more: sign in again.")


class InvalidCredentialsError(UnauthenticatedError):
    """No active user has this e-mail address with this password; which of both is wrong is not told."""

    code = "INVALID_CREDENTIALS"

    def __init__(self) -> None:
        super().__init__("The e-mail address or the password is wrong.")


class InvalidRefreshTokenError(UnauthenticatedError):
    """A refresh token that is wrong, used, expired or revoked; which of these is not told."""

    code = "INVALID_REFRESH_TOKEN"

    def __init__(self) -> None:
        super().__init__("This session can't be continued: sign in again.")


class TooManyAttemptsError(QuotaExceededError):
    """Too many attempts to sign in or up; `details["retry_after_s"]` says when again."""

    def __init__(self, *, retry_after_s: int, limit: int) -> None:
        message = f"Too many attempts: try again in {retry_after_s} s."
        super().__init__(message, retry_after_s=retry_after_s, limit=limit)


class SignUpClosedError(ForbiddenError):
    """This installation takes no strangers: an administrator has to make the account."""

    code = "SIGN_UP_CLOSED"

    def __init__(self) -> None:
        super().__init__("Nobody can sign up here: ask an administrator for an account.")


class EmailTakenError(ConflictError):
    """Another account has this e-mail address; one address has one account in the whole installation."""

    code = "EMAIL_TAKEN"

    def __init__(self) -> None:
        super().__init__("There is an account with this e-mail address: sign in, or take another address.")


class InvalidEmailError(InvalidInputError):
    """Text that is no e-mail address."""

    code = "INVALID_EMAIL"

    def __init__(self, *path: str) -> None:
        super().__init__("This is not an e-mail address; it has the form name@example.com.", path=path)


class WeakPasswordError(InvalidInputError):
    """A password that is too short, too long, or easy to guess; the message says which."""

    code = "WEAK_PASSWORD"


class WrongPasswordError(InvalidInputError):
    """The caller's present password is another one."""

    code = "WRONG_PASSWORD"

    def __init__(self, *path: str) -> None:
        super().__init__("This is not your present password.", path=path)


class PasswordChangeRequiredError(ForbiddenError):
    """The password is right but temporary: signing in with it takes a new one along."""

    code = "PASSWORD_CHANGE_REQUIRED"

    def __init__(self) -> None:
        super().__init__("This password is temporary: choose a new one and send it along as newPassword.")


class OwnPasswordError(ForbiddenError):
    """Administrators reset the passwords of others; their own they change."""

    code = "OWN_PASSWORD"

    def __init__(self) -> None:
        super().__init__("This is your own account: use changePassword.")


class SessionNotFoundError(NotFoundError):
    """The caller has no such session, or it has ended long ago."""

    def __init__(self, session_id: UUID) -> None:
        super().__init__("There is no such session.", session_id=str(session_id))


class UserNotFoundError(NotFoundError):
    """The tenant has no such user."""

    def __init__(self, user_id: UUID) -> None:
        super().__init__("There is no such user.", user_id=str(user_id))


class RoleTooHighError(ForbiddenError):
    """Somebody gives a role above their own, or changes a user whose role is above their own."""

    code = "ROLE_TOO_HIGH"

    def __init__(self, role: Role) -> None:
        super().__init__(f"The role {role} is above yours: ask somebody who has it.", role=role.value)


class LastOwnerError(ConflictError):
    """A tenant must keep one active owner."""

    code = "LAST_OWNER"

    def __init__(self) -> None:
        super().__init__("This is the last owner: make somebody else an owner first.")


class ApiKeyNotFoundError(NotFoundError):
    """The caller has no such API key."""

    def __init__(self, api_key_id: UUID) -> None:
        super().__init__("There is no such API key.", api_key_id=str(api_key_id))


class TooManyApiKeysError(ConflictError):
    """The user has as many valid API keys as one may."""

    code = "TOO_MANY_API_KEYS"

    def __init__(self, limit: int) -> None:
        super().__init__(f"You have {limit} API keys: revoke one first.", limit=limit)


class InvalidExpiryError(InvalidInputError):
    """An API key would expire in the past, or too far in the future."""

    code = "INVALID_EXPIRY"

    def __init__(self, *path: str, latest: datetime) -> None:
        message = f"The expiry must lie ahead, and not behind {latest:%Y-%m-%d}."
        super().__init__(message, path=path, latest=latest.isoformat())


class SessionRequiredError(ForbiddenError):
    """Only a signed-in person may do this, not a program with an API key."""

    code = "SESSION_REQUIRED"

    def __init__(self) -> None:
        super().__init__("An API key can't do this: sign in.")
