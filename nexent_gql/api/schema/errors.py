"""Errors as data: `interface Error`, a member for each family, and how domain errors become members.

The result union of a mutation lists the errors that a client can act on. Services raise domain errors: if the union
has the GraphQL type of the error, it becomes that member, otherwise an entry of `errors` with a code.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self, TypedDict

import strawberry
from strawberry.types.field import StrawberryField

from nexent_gql.api.schema.codes import ErrorCode, error_code
from nexent_gql.kernel import errors as kernel


class Common(TypedDict):
    """What every error has."""

    message: str
    code: ErrorCode


def common(error: kernel.DomainError) -> Common:
    """Return the fields of `Error`, for `of` of a specific one."""
    return Common(message=error.message, code=error_code(error))


@strawberry.interface(description="An expected error that a client can handle.")
class Error:
    message: str = strawberry.field(description="Message for users that explains what to do. The wording can change.")
    code: ErrorCode = strawberry.field(description="Stable error code for programs.")

    @classmethod
    def of(cls, error: kernel.DomainError) -> Self:
        """Map a domain error; a subclass with further fields overrides this."""
        return cls(**common(error))


@strawberry.type(description="A value of the input is invalid.")
class ValidationError(Error):
    path: list[str] = strawberry.field(
        description="Path of the invalid field, starting with `input`. Empty if the error concerns several fields."
    )

    @classmethod
    def of(cls, error: kernel.DomainError) -> Self:
        path = error.path if isinstance(error, kernel.InvalidInputError) else ()
        return cls(**common(error), path=list(path))


@strawberry.type(description="The object does not exist or you have no access to it.")
class NotFoundError(Error):
    pass


@strawberry.type(description="The credential lacks the required role or scope.")
class ForbiddenError(Error):
    pass


@strawberry.type(description="The credential is missing, invalid or expired. Sign in again.")
class UnauthenticatedError(Error):
    pass


@strawberry.type(description="The request conflicts with the current state of the object.")
class ConflictError(Error):
    pass


@strawberry.type(description="A rate limit or quota is exhausted.")
class QuotaExceededError(Error):
    pass


@strawberry.type(description="A required service is unavailable. Try again later.")
class UnavailableError(Error):
    pass


ErrorTypes = Mapping[type[kernel.DomainError], type[Error]]

FAMILIES: ErrorTypes = {
    kernel.InvalidInputError: ValidationError,
    kernel.NotFoundError: NotFoundError,
    kernel.ForbiddenError: ForbiddenError,
    kernel.UnauthenticatedError: UnauthenticatedError,
    kernel.ConflictError: ConflictError,
    kernel.QuotaExceededError: QuotaExceededError,
    kernel.UnavailableError: UnavailableError,
}


@dataclass(frozen=True, eq=False)
class ErrorMember:
    """Maps one class of domain errors to a union member, for fields whose union has it."""

    exception_type: type[kernel.DomainError]
    error_type: type[Error]

    def handle(self, exception: kernel.DomainError, *, field: StrawberryField, info: object) -> Error:  # noqa: ARG002
        """Map the error. Paths of errors begin within the input; clients get them including the argument."""
        if isinstance(exception, kernel.InvalidInputError) and exception.path:
            names = {argument.python_name for argument in field.arguments}
            exception.path = ("input", *exception.path) if "input" in names else exception.path
        return self.error_type.of(exception)


def error_members(specific: Iterable[ErrorTypes]) -> list[ErrorMember]:
    """Return the handlers of all mappings, most derived exception first; the first match applies."""
    merged = dict(FAMILIES)
    for types in specific:
        merged.update(types)
    pairs = sorted(merged.items(), key=lambda pair: -len(pair[0].__mro__))
    return [ErrorMember(exception_type, error_type) for exception_type, error_type in pairs]
