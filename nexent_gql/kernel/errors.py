"""The families of errors a caller can act on; each case is a small subclass in its domain."""

from typing import ClassVar

Detail = str | int | float | bool | list[str] | None


class DomainError(Exception):
    """Something went wrong that a caller can understand and act on.

    `code` is stable and documented, `message` is a human sentence that says what to do next, and
    `details` holds the facts (limits, ids) under stable names. Nothing secret belongs in either.
    """

    code: ClassVar[str] = "INTERNAL_SERVER_ERROR"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, **details: Detail) -> None:
        """Keep the sentence and its facts."""
        super().__init__(message)
        self.message = message
        self.details = details


class NotFoundError(DomainError):
    """The object does not exist for this caller; a foreign tenant's object looks the same.

    `object_type` is the API's type of the object whose id `details` hold as `id`.
    """

    code = "NOT_FOUND"
    object_type: ClassVar[str | None] = None


class ForbiddenError(DomainError):
    """The caller is known and may not do this."""

    code = "FORBIDDEN"


class UnauthenticatedError(DomainError):
    """The caller is not known: no credential, or one that is expired, revoked or wrong."""

    code = "UNAUTHENTICATED"


class InvalidInputError(DomainError):
    """An input value breaks a rule; `path` names the field, outermost first."""

    code = "BAD_USER_INPUT"

    def __init__(self, message: str, *, path: tuple[str, ...] = (), **details: Detail) -> None:
        """Keep the sentence, the field and the facts."""
        super().__init__(message, **details)
        self.path = path


class ConflictError(DomainError):
    """The request contradicts the present state."""

    code = "CONFLICT"


class QuotaExceededError(DomainError):
    """A limit in time or amount is used up; `details` say which and when it resets."""

    code = "RATE_LIMITED"
    retryable = True


class UnavailableError(DomainError):
    """Something we depend on does not answer; the same request may work later."""

    code = "UNAVAILABLE"
    retryable = True


class ProviderUnavailableError(UnavailableError):
    """A service of somebody else does not answer; a job that meets it has failed once."""

    code = "PROVIDER_UNAVAILABLE"
