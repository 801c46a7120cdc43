"""Base classes of errors; domains define a subclass for each case."""

from typing import ClassVar

Detail = str | int | float | bool | list[str] | None


class DomainError(Exception):
    """An error that a caller can understand and act on.

    `code` is stable and documented, `message` is a sentence for people that explains what to do next, and `details`
    holds the facts (limits, ids) under stable names. None of them may contain secrets.
    """

    code: ClassVar[str] = "INTERNAL_SERVER_ERROR"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, **details: Detail) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class NotFoundError(DomainError):
    """The object does not exist for this caller; an object of another tenant gives the same error.

    `object_type` is the API's type of the object whose id `details` hold as `id`.
    """

    code = "NOT_FOUND"
    object_type: ClassVar[str | None] = None


class ForbiddenError(DomainError):
    """The caller is authenticated and lacks the right."""

    code = "FORBIDDEN"


class UnauthenticatedError(DomainError):
    """The caller is not authenticated: no credential, or one that is expired, revoked or wrong."""

    code = "UNAUTHENTICATED"


class InvalidInputError(DomainError):
    """An input value breaks a rule; `path` names the field, outermost first."""

    code = "BAD_USER_INPUT"

    def __init__(self, message: str, *, path: tuple[str, ...] = (), **details: Detail) -> None:
        super().__init__(message, **details)
        self.path = path


class ConflictError(DomainError):
    """The request conflicts with the current state."""

    code = "CONFLICT"


class QuotaExceededError(DomainError):
    """A rate limit or quota is exhausted; `details` say which one and when it resets."""

    code = "RATE_LIMITED"
    retryable = True


class UnavailableError(DomainError):
    """A dependency does not answer; the same request may succeed later."""

    code = "UNAVAILABLE"
    retryable = True


class ProviderUnavailableError(UnavailableError):
    """An external service does not answer; counts as a failed attempt of a job."""

    code = "PROVIDER_UNAVAILABLE"
