"""Errors as data: `interface Error`, a member for each family, and how domain errors become members.

A mutation lists in its result union the errors a client can act on. A service just raises: when the union names
the GraphQL type that an error maps to, the error becomes that member, else a coded entry of `errors`.
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


@strawberry.interface(description="An expected failure that a client can act on.")
class Error:
    """See `nexent_gql.kernel.errors`."""

    message: str = strawberry.field(description="A sentence for people, which says what to do next; may change.")
    code: ErrorCode = strawberry.field(description="Stable, for programs.")

    @classmethod
    def of(cls, error: kernel.DomainError) -> Self:
        """Map a domain error; a subclass with fields of its own overrides this."""
        return cls(**common(error))


@strawberry.type(description="An input value breaks a rule.")
class ValidationError(Error):
    """See `InvalidInputError`."""

    path: list[str] = strawberry.field(description="The offending field, outermost first; empty when it is several.")

    @classmethod
    def of(cls, error: kernel.DomainError) -> Self:
        """Map the error and its path."""
        path = error.path if isinstance(error, kernel.InvalidInputError) else ()
        return cls(**common(error), path=list(path))


@strawberry.type(description="The object does not exist for you.")
class NotFoundError(Error):
    """See the kernel's class."""


@strawberry.type(description="You may not do this.")
class ForbiddenError(Error):
    """See the kernel's class."""


@strawberry.type(description="The credential is missing, wrong or expired: sign in.")
class UnauthenticatedError(Error):
    """See the kernel's class."""


@strawberry.type(description="The request contradicts the present state.")
class ConflictError(Error):
    """See the kernel's class."""


@strawberry.type(description="A limit in time or amount is used up.")
class QuotaExceededError(Error):
    """See the kernel's class."""


@strawberry.type(description="Something we depend on does not answer; the same request may work later.")
class UnavailableError(Error):
    """See the kernel's class."""


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
    """Turns one class of domain errors into a union member, on fields whose union has it."""

    exception_type: type[kernel.DomainError]
    error_type: type[Error]

    def handle(self, exception: kernel.DomainError, *, field: StrawberryField, info: object) -> Error:  # noqa: ARG002
        """Map the error; the path that a service names begins within the argument `input` where there is one."""
        if isinstance(exception, kernel.InvalidInputError) and exception.path[:1] not in ((), ("input",)):
            names = {argument.python_name for argument in field.arguments}
            exception.path = ("input", *exception.path) if "input" in names else exception.path
        return self.error_type.of(exception)


def error_members(specific: Iterable[ErrorTypes]) -> list[ErrorMember]:
    """Return the handlers of all mappings, the most derived exception first: the first that fits is taken."""
    merged = dict(FAMILIES)
    for types in specific:
        merged.update(types)
    pairs = sorted(merged.items(), key=lambda pair: -len(pair[0].__mro__))
    return [ErrorMember(exception_type, error_type) for exception_type, error_type in pairs]
