"""Errors of the API itself: requests that are refused before a domain sees them."""

from nexent_gql.kernel.errors import (
    DomainError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    QuotaExceededError,
    UnauthenticatedError,
    UnavailableError,
)


class InternalError(DomainError):
    """A bug in the server; `errorId` finds it in the server's log."""

    code = "INTERNAL_SERVER_ERROR"


class ParseFailedError(InvalidInputError):
    """The document is not GraphQL."""

    code = "GRAPHQL_PARSE_FAILED"


class ValidationFailedError(InvalidInputError):
    """The document does not fit the schema."""

    code = "GRAPHQL_VALIDATION_FAILED"


class BadRequestError(InvalidInputError):
    """The request is not of the form that GraphQL over HTTP or graphql-transport-ws prescribes."""

    code = "BAD_REQUEST"


class InvalidIdError(InvalidInputError):
    """The id is malformed, or of another type than the field takes."""

    code = "INVALID_ID"


class InvalidPageError(InvalidInputError):
    """Paging arguments that contradict each other or are out of range."""

    code = "INVALID_PAGE"


class QueryTooComplexError(InvalidInputError):
    """The document breaks a limit; `details` name the limit and what is allowed."""

    code = "QUERY_TOO_COMPLEX"


class CostLimitExceededError(InvalidInputError):
    """The answer could contain more objects than allowed, or costs more points than the caller's whole budget.

    The same request never succeeds: ask for smaller pages.
    """

    code = "COST_LIMIT_EXCEEDED"


class BudgetSpentError(QuotaExceededError):
    """The caller has too few points left; `details` give the price, the remaining points and the seconds to wait."""

    code = "RATE_LIMITED"


class PersistedQueryNotFoundError(NotFoundError):
    """The server does not have the document with this hash or id: send its text together with the hash."""

    code = "PERSISTED_QUERY_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("PersistedQueryNotFound")  # clients compare the sentence, so it stays as it is


class PersistedQueryMismatchError(InvalidInputError):
    """The hash sent with a document is not the SHA-256 of its text."""

    code = "PERSISTED_QUERY_HASH_MISMATCH"


class DocumentNotTrustedError(ForbiddenError):
    """This server runs registered documents only."""

    code = "DOCUMENT_NOT_TRUSTED"


class MethodNotAllowedError(InvalidInputError):
    """This operation or path does not take this HTTP method."""

    code = "METHOD_NOT_ALLOWED"


class NotAcceptableError(InvalidInputError):
    """The `Accept` header allows nothing that this operation can answer with."""

    code = "NOT_ACCEPTABLE"


class UnsupportedMediaTypeError(InvalidInputError):
    """The body is not `application/json` in UTF-8 without a content encoding."""

    code = "UNSUPPORTED_MEDIA_TYPE"


class PayloadTooLargeError(InvalidInputError):
    """The body has more bytes than allowed."""

    code = "PAYLOAD_TOO_LARGE"


class FileTooLargeError(InvalidInputError):
    """A file has more bytes than accepted."""

    code = "FILE_TOO_LARGE"


class PreflightRequiredError(InvalidInputError):
    """A request with files lacks the header that prevents cross-site requests."""

    code = "PREFLIGHT_REQUIRED"


class MalformedCredentialError(UnauthenticatedError):
    """The `Authorization` value is not `Bearer <token>`."""

    code = "CREDENTIAL_MALFORMED"


class SessionEndedError(UnauthenticatedError):
    """The credential expired or was revoked while the stream or socket was open."""

    code = "SESSION_ENDED"


class RequestTimeoutError(InvalidInputError):
    """The body did not arrive in time."""

    code = "REQUEST_TIMEOUT"


class IntrospectionDisabledError(ForbiddenError):
    """Introspection is off for this caller; the schema is published as a file."""

    code = "INTROSPECTION_DISABLED"


class HostNotAllowedError(ForbiddenError):
    """The `Host` header names none of the names under which this server answers."""

    code = "HOST_NOT_ALLOWED"


class ReadOnlyCredentialError(ForbiddenError):
    """A credential with scope READ cannot change anything."""

    code = "READ_ONLY_CREDENTIAL"


class DeadlineExceededError(UnavailableError):
    """The operation ran longer than allowed and was stopped."""

    code = "DEADLINE_EXCEEDED"


class TooManyOperationsError(QuotaExceededError):
    """The socket has as many running operations as allowed."""

    code = "TOO_MANY_OPERATIONS"


class TooManySocketsError(QuotaExceededError):
    """The user, or the address, has as many sockets and streamed answers open as allowed."""

    code = "TOO_MANY_SOCKETS"


class TooManyMessagesError(QuotaExceededError):
    """The client sends messages on the socket faster than allowed."""

    code = "TOO_MANY_MESSAGES"
