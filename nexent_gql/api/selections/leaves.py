"""Completes scalars and enums."""

from binascii import b2a_base64
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from graphql import GraphQLBoolean, GraphQLInt, GraphQLLeafType, GraphQLString, Undefined

if TYPE_CHECKING:
    from nexent_gql.api.selections.relations import PendingField

PendingFields = list["PendingField"]
"""Fields of one request that are still to be resolved."""

Complete = Callable[[object, PendingFields], object]
"""Turns a Python value into what JSON can hold, and appends the fields that are still to be resolved.

Raises any exception for a value that graphql-core has to complete. These functions are shared by all requests and keep
no state.
"""

_MAX_INT = 2**31


class UnexpectedValueError(Exception):
    """A value that does not fit the schema; graphql-core reports the error."""


def nullable(complete: Complete) -> Complete:
    def complete_or_null(value: object, unresolved: PendingFields) -> object:
        return None if value is None else complete(value, unresolved)

    return complete_or_null


def list_of(complete: Complete) -> Complete:
    def complete_list(value: object, unresolved: PendingFields) -> object:
        if type(value) is not list and type(value) is not tuple:
            raise UnexpectedValueError
        return [complete(item, unresolved) for item in cast("list[object]", value)]

    return complete_list


def exact_class(type_: object) -> type | None:
    """Return the class whose values need no completion; None if there is none."""
    match str(type_).rstrip("!"):
        case "String" | "ID":
            return str
        case "Boolean":
            return bool
        case _:
            return None


def leaf(type_: GraphQLLeafType) -> Complete:
    """Return how values of a scalar or an enum are completed; never gives None."""
    if type_ is GraphQLString:
        return _text
    if type_ is GraphQLInt:
        return _integer
    if type_ is GraphQLBoolean:
        return _boolean
    coerce = cast("Callable[[object], object]", type_.coerce_output_value)

    def complete(value: object, _unresolved: PendingFields) -> object:
        coerced = None if value is None else coerce(value)
        if coerced is None or coerced is Undefined:
            raise UnexpectedValueError
        return coerced

    return complete


def id_of(type_name: str) -> Complete:
    """Return a function that turns the key of a `Node` into its global id."""
    prefix = f"{type_name}:"

    def complete(value: object, _unresolved: PendingFields) -> object:
        if value is None:
            raise UnexpectedValueError
        return b2a_base64(f"{prefix}{value}".encode(), newline=False).decode()

    return complete


def _text(value: object, _unresolved: PendingFields) -> object:
    if type(value) is str:
        return value
    raise UnexpectedValueError


def _integer(value: object, _unresolved: PendingFields) -> object:
    if type(value) is int and -_MAX_INT <= value < _MAX_INT:
        return value
    raise UnexpectedValueError


def _boolean(value: object, _unresolved: PendingFields) -> object:
    if value is True or value is False:
        return value
    raise UnexpectedValueError
