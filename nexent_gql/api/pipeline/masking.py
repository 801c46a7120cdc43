"""What clients see of an error: a code, a sentence and details; never a stack, a query or a library's message.

Errors are changed in place, because Strawberry hands out the same objects on every path, streams included. An error
that already has a code stays as it is.
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
_ARGUMENT = "Argument "  # how graphql-core begins its sentence about a variable that does not fit an argument
# How graphql-core shows the value that it refuses.
_ECHO = re.compile(r"(, found:? |: (?=[\[{])|(?<= value)(?<!invalid value): )[\s\S]*")


def extensions_of(error: DomainError) -> dict[str, object]:
    """Return what stands in `extensions` for a domain error."""
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
    """Return a fact as clients know it: ids of objects are global."""
    kind = _ID_TYPES.get(name)
    if name == "id" and isinstance(error, NotFoundError):
        kind = error.object_type
    return to_base64(kind, value) if kind and isinstance(value, str) else value


def refusal(error: DomainError) -> GraphQLError:
    """Make the GraphQL error of a request that is refused as a whole."""
    return GraphQLError(error.message, original_error=error, extensions=extensions_of(error))


def internal(error: BaseException) -> GraphQLError:
    """Mask a bug: log it with its traceback under an id, and give the client the id."""
    masked = GraphQLError(_MASK, original_error=error if isinstance(error, Exception) else None)
    _mask(masked, error, "")
    return masked


def publish(errors: list[GraphQLError], limits: ApiLimits, operation: str | None = None) -> None:
    """Give every error its code, mask bugs, cut what is long; `operation` is a name for the log."""
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
    """Follow wrappings: graphql-core wraps what resolvers raise, and its own errors once more."""
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
    _log.error("graphql.bug", error_id=error_id, operation=operation, field=_field(error), exc_info=cause)
    error.message = _MASK
    error.extensions = {"code": InternalError.code, "errorId": error_id}


def _field(error: GraphQLError) -> str:
    return ".".join(str(part) for part in error.path or ())


def _without_echo(message: str) -> str:
    """Leave out guesses, and values that came in: a password or key may stand beside what was wrong."""
    shown = _ECHO.sub(".", message.split(" Did you mean", maxsplit=1)[0])
    return shown.replace("not to be None", "not to be null")


def _cut(message: str, limit: int) -> str:
    return message if len(message) <= limit else f"{message[: limit - 1]}…"


def validation_failed(error: GraphQLError, limits: ApiLimits) -> GraphQLError:
    """Give an error of a validation rule its code."""
    error.message = _cut(_without_echo(error.message), limits.error_chars)
    error.extensions = {"code": ValidationFailedError.code}
    return error
