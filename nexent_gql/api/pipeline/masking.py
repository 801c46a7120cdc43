"""Prepares errors for clients: a code, a message and details; never a stack, a query or a library's message.

Errors are changed in place, because Strawberry uses the same objects on every path, including streams. An error that
already has a code is not changed.
"""

import re
from typing import cast
from uuid import uuid4

import structlog
from graphql import GraphQLError, GraphQLSyntaxError
from strawberry.exceptions import StrawberryInputCoercionError
from strawberry.relay import to_base64

from nexent_gql.api.pipeline.refusals import InternalError, ParseFailedError, ValidationFailedError
from nexent_gql.api.schema.codes import CATALOGUE
from nexent_gql.api.settings import ApiLimits
from nexent_gql.kernel.errors import Detail, DomainError, InvalidInputError, NotFoundError

_log = cast("structlog.typing.FilteringBoundLogger", structlog.get_logger(__name__))
_MASK = "Something went wrong on our side. Quote the errorId when you report it."
_ID_TYPES = {"agent_id": "Agent", "api_key_id": "ApiKey", "model_id": "Model", "run_id": "Run", "user_id": "User"}
_ARGUMENT = "Argument "  # the beginning of graphql-core's message about a variable that does not fit an argument
# The part of graphql-core's messages with the invalid value.
_ECHO = re.compile(r"(, found:? |: (?=[\[{])|(?<= value)(?<!invalid value): )[\s\S]*")


def extensions_of(error: DomainError) -> dict[str, object]:
    """Return the `extensions` of a domain error."""
    extensions: dict[str, object] = {"code": error.code}
    entry = CATALOGUE.get(error.code)
    if entry is not None and entry.family is not None:
        extensions["classification"] = entry.family
    if isinstance(error, InvalidInputError) and error.path:
        extensions["path"] = list(error.path)
    if error.retryable:
        extensions["retryable"] = True
    if error.details:
        extensions["details"] = {name: _detail(error, name, value) for name, value in error.details.items()}
    return extensions


def _detail(error: DomainError, name: str, value: Detail) -> object:
    """Return a detail for clients: ids of objects become global ids."""
    kind = _ID_TYPES.get(name)
    if name == "id" and isinstance(error, NotFoundError):
        kind = error.object_type
    return to_base64(kind, value) if kind and isinstance(value, str) else value


def refusal(error: DomainError) -> GraphQLError:
    """Return the GraphQL error of a request that is refused as a whole."""
    return GraphQLError(error.message, original_error=error, extensions=extensions_of(error))


def internal(error: BaseException) -> GraphQLError:
    """Mask a bug: log it with its traceback under an id, and return only the id to the client."""
    masked = GraphQLError(_MASK, original_error=error if isinstance(error, Exception) else None)
    _mask(masked, error, "")
    return masked


def publish(errors: list[GraphQLError], limits: ApiLimits, operation: str | None = None) -> None:
    """Add codes to errors, mask bugs and cut long lists and messages; `operation` is the name in logs."""
    del errors[limits.errors :]
    for error in errors:
        if not (error.extensions and "code" in error.extensions):
            _present(error, operation or "")
            error.message = _cut(error.message, limits.error_chars)


def _present(error: GraphQLError, operation: str) -> None:
    cause = _cause(error)
    if isinstance(cause, DomainError):
        error.message, error.extensions = cause.message, extensions_of(cause)
        _log.info("graphql.refused", code=cause.code, operation=operation, field=_field(error))
    elif isinstance(cause, GraphQLSyntaxError):
        error.extensions = {"code": ParseFailedError.code}
    elif _is_bad_input(error, cause):
        error.message = _without_echo(error.message)
        error.extensions = {"code": InvalidInputError.code}
    else:
        _mask(error, cause, operation)


def _cause(error: GraphQLError) -> Exception:
    """Return the innermost error: graphql-core wraps errors of resolvers, and its own errors twice."""
    cause: Exception = error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    return cause


def _is_bad_input(error: GraphQLError, cause: Exception) -> bool:
    if isinstance(cause, StrawberryInputCoercionError):
        return True
    return isinstance(cause, GraphQLError) and (error.path is None or error.message.startswith(_ARGUMENT))


def _mask(error: GraphQLError, cause: BaseException, operation: str) -> None:
    error_id = uuid4().hex
    _log.error("graphql.internal_error", error_id=error_id, operation=operation, field=_field(error), exc_info=cause)
    error.message = _MASK
    error.extensions = {"code": InternalError.code, "errorId": error_id}


def _field(error: GraphQLError) -> str:
    return ".".join(str(part) for part in error.path or ())


def _without_echo(message: str) -> str:
    """Remove suggestions and input values, which may contain a password or key."""
    sentence = _ECHO.sub(".", message.split(" Did you mean", maxsplit=1)[0])
    return sentence.replace("not to be None", "not to be null")


def _cut(message: str, limit: int) -> str:
    return message if len(message) <= limit else f"{message[: limit - 1]}…"


def validation_failed(error: GraphQLError, limits: ApiLimits) -> GraphQLError:
    """Add the code to an error of a validation rule."""
    error.message = _cut(_without_echo(error.message), limits.error_chars)
    error.extensions = {"code": ValidationFailedError.code}
    return error
