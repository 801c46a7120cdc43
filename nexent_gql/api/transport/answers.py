"""JSON responses and their HTTP status."""

from collections.abc import Iterator, Mapping

from graphql import GraphQLError
from starlette.responses import Response
from strawberry.types.execution import ExecutionResult, PreExecutionError

from nexent_gql.api.encoding import encode
from nexent_gql.api.pipeline.masking import refusal
from nexent_gql.api.pipeline.refusals import BadRequestError, MethodNotAllowedError, UnsupportedMediaTypeError
from nexent_gql.api.schema.codes import CATALOGUE
from nexent_gql.api.transport.accept import PLAIN_JSON, RESPONSE_JSON
from nexent_gql.kernel.errors import DomainError, UnauthenticatedError

_STATUSES = {
    "UNAUTHENTICATED": 401,
    "FORBIDDEN": 403,
    "METHOD_NOT_ALLOWED": 405,
    "NOT_ACCEPTABLE": 406,
    "NOT_FOUND": 404,
    "REQUEST_TIMEOUT": 408,
    "CONFLICT": 409,
    "PAYLOAD_TOO_LARGE": 413,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "RATE_LIMITED": 429,
    "INTERNAL_SERVER_ERROR": 500,
    "UNAVAILABLE": 503,
}
_BAD_REQUEST = 400


def status_of(code: str) -> int:
    """Return the HTTP status of an error code; by its family if the code has no status of its own."""
    while code not in _STATUSES:
        entry = CATALOGUE.get(code)
        if entry is None or entry.family is None:
            return _BAD_REQUEST
        code = entry.family
    return _STATUSES[code]


def is_request_error(result: ExecutionResult) -> bool:
    """Return whether execution did not start: a refused request, or invalid variables (errors without a path)."""
    errors = result.errors or ()
    return isinstance(result, PreExecutionError) or (
        result.data is None and bool(errors) and all(error.path is None for error in errors)
    )


def members(result: ExecutionResult) -> dict[str, object]:
    """Return the members of a response; without execution there is no `data`."""
    answer: dict[str, object] = {}
    if result.errors:
        answer["errors"] = [error.formatted for error in result.errors]
    if not is_request_error(result):
        answer["data"] = result.data
    if result.extensions:
        answer["extensions"] = result.extensions
    return answer


def _code(error: GraphQLError) -> str:
    return str((error.extensions or {}).get("code"))


def single(result: ExecutionResult, media: str) -> Response:
    """Answer with one result; clients that only accept plain JSON expect 200 for every GraphQL response."""
    status = 200
    if result.errors and is_request_error(result):
        code = _code(result.errors[0])
        if media == RESPONSE_JSON or code == BadRequestError.code:
            status = status_of(code)
    return JsonAnswer(encode(members(result)), status, media)


def problem(error: GraphQLError, media: str = PLAIN_JSON, headers: Mapping[str, str] | None = None) -> Response:
    """Answer a request that is not valid GraphQL over HTTP, or whose credential is refused."""
    status = status_of(_code(error))
    response = JsonAnswer(encode({"errors": [error.formatted]}), status, media)
    response.headers.update(headers or {})
    return response


def refused(error: DomainError, media: str = PLAIN_JSON) -> Response:
    """Answer with a domain error and the headers of its status."""
    return problem(refusal(error), media, dict(_headers(error)))


def _headers(error: DomainError) -> Iterator[tuple[str, str]]:
    if isinstance(error, UnauthenticatedError):
        yield "WWW-Authenticate", 'Bearer error="invalid_token"'
    elif isinstance(error, MethodNotAllowedError):
        yield "Allow", str(error.details["allow"])
    elif isinstance(error, UnsupportedMediaTypeError) and "encoding" in error.details:
        yield "Accept-Encoding", "identity"
    if "retry_after_s" in error.details:
        yield "Retry-After", str(error.details["retry_after_s"])


class JsonAnswer(Response):
    """A JSON response that must not be cached; its headers are prepared once."""

    def __init__(self, body: bytes, status: int, media: str) -> None:
        self.body, self.status_code, self.background = body, status, None
        self.raw_headers = [
            (b"content-length", b"%d" % len(body)),
            (b"content-type", b"%s; charset=utf-8" % media.encode()),
            (b"cache-control", b"no-store"),
            (b"vary", b"Accept, Authorization"),
        ]
