"""Errors of the domain."""

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
    """An access token or API key that is wrong, expired or revoked; the error does not say which."""

    def __init__(self) -> None:
        super().__init__("This credential is invalid or expired: sign in again.")


class InvalidCredentialsError(UnauthenticatedError):
    """No active user has this e-mail address with this password; the error does not say which is wrong."""

    code = "INVALID_CREDENTIALS"

    def __init__(self) -> None:
        super().__init__("The e-mail address or the password is wrong.")


class InvalidRefreshTokenError(UnauthenticatedError):
    """A refresh token that is wrong, used, expired or revoked; the error does not say which."""

    code = "INVALID_REFRESH_TOKEN"

    def __init__(self) -> None:
        super().__init__("This session can't be continued: sign in again.")


class TooManyAttemptsError(QuotaExceededError):
    """Too many attempts to sign in or up; `details["retry_after_s"]` has the delay."""

    def __init__(self, *, retry_after_s: int, limit: int) -> None:
        message = f"Too many attempts: try again in {retry_after_s} s."
        super().__init__(message, retry_after_s=retry_after_s, limit=limit)


class SignUpClosedError(ForbiddenError):
    """Sign-up is disabled: an administrator has to create the account."""

    code = "SIGN_UP_CLOSED"

    def __init__(self) -> None:
        super().__init__("Sign-up is disabled here: ask an administrator for an account.")


class EmailTakenError(ConflictError):
    """Another account has this e-mail address; one address has one account in the whole installation."""

    code = "EMAIL_TAKEN"

    def __init__(self) -> None:
        super().__init__("An account with this e-mail address exists: sign in, or use another address.")


class InvalidEmailError(InvalidInputError):
    """The text is not an e-mail address."""

    code = "INVALID_EMAIL"

    def __init__(self, *path: str) -> None:
        super().__init__("This is not an e-mail address: use the form name@example.com.", path=path)


class WeakPasswordError(InvalidInputError):
    """A password that is too short, too long, or easy to guess; the message gives the reason."""

    code = "WEAK_PASSWORD"


class WrongPasswordError(InvalidInputError):
    """The given password is not the caller's current one."""

    code = "WRONG_PASSWORD"

    def __init__(self, *path: str) -> None:
        super().__init__("This is not your current password.", path=path)


class PasswordChangeRequiredError(ForbiddenError):
    """The password is correct but temporary; signing in with it requires a new one."""

    code = "PASSWORD_CHANGE_REQUIRED"

    def __init__(self) -> None:
        super().__init__("This password is temporary: sign in again with a new one in newPassword.")


class OwnPasswordError(ForbiddenError):
    """An administrator tries to reset their own password instead of changing it."""

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
    """The actor grants a role above their own, or changes a user with one."""

    code = "ROLE_TOO_HIGH"

    def __init__(self, role: Role) -> None:
        super().__init__(f"The role {role} is above yours: ask somebody who has that role.", role=role.value)


class LastOwnerError(ConflictError):
    """A tenant must keep one active owner."""

    code = "LAST_OWNER"

    def __init__(self) -> None:
        super().__init__("This is the last owner: give another user the OWNER role first.")


class ApiKeyNotFoundError(NotFoundError):
    """The caller has no such API key."""

    def __init__(self, api_key_id: UUID) -> None:
        super().__init__("There is no such API key.", api_key_id=str(api_key_id))


class TooManyApiKeysError(ConflictError):
    """The user has the maximum number of valid API keys."""

    code = "TOO_MANY_API_KEYS"

    def __init__(self, limit: int) -> None:
        super().__init__(f"You have {limit} valid API keys, the maximum: revoke one first.", limit=limit)


class InvalidExpiryError(InvalidInputError):
    """An API key would expire in the past, or too far in the future."""

    code = "INVALID_EXPIRY"

    def __init__(self, *path: str, latest: datetime) -> None:
        message = f"The expiry must be in the future, and not after {latest:%Y-%m-%d}."
        super().__init__(message, path=path, latest=latest.isoformat())


class SessionRequiredError(ForbiddenError):
    """The operation requires a session and the caller uses an API key."""

    code = "SESSION_REQUIRED"

    def __init__(self) -> None:
        super().__init__("API keys cannot do this: sign in and use the session instead.")


class GroupNotFoundError(NotFoundError):
    """The tenant has no such group."""

    def __init__(self, group_id: UUID) -> None:
        super().__init__("There is no such group; it may have been deleted.", group_id=str(group_id))


class GroupNameTakenError(ConflictError):
    """Another group of the tenant has this name; case and width of characters do not count."""

    code = "GROUP_NAME_TAKEN"

    def __init__(self) -> None:
        super().__init__("A group with this name exists: use another name.")


class TooManyGroupsError(ConflictError):
    """The tenant has the maximum number of groups."""

    code = "TOO_MANY_GROUPS"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The tenant has {limit:,} groups, the maximum: delete one first.", limit=limit)
