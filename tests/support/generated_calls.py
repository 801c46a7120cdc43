"""Calls of every root field that takes one of some ids, with a selection of everything: for tests of isolation."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Protocol, cast

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    is_required_argument,
    is_required_input_field,
)

_DEPTH = 2
_NODES = ("KnowledgeBase", "Document", "DocumentChunk")
"""Of the interface `Node`, only these are selected: a document with all of them would be too complex."""
_MAX_VALUES = 12
_SCALARS: Mapping[str, object] = {"Int": 1, "Float": 0.5, "Boolean": True}
_COMPOSITE = (GraphQLObjectType, GraphQLUnionType, GraphQLInterfaceType)
Ids = Mapping[str, str]
"""Ids by the names of arguments and input fields, such as `documentId`; a list's name without its plural s."""


class _Typed(Protocol):
    """A field or an argument; the library leaves the members of its types open."""

    type: object


class _Wrapper(Protocol):
    """A list or a non-null type."""

    of_type: object


@dataclass(frozen=True)
class GeneratedCall:
    """An operation with variables."""

    kind: str
    field: str
    query: str
    variables: dict[str, object]


def generated_calls(
    schema: GraphQLSchema, ids: Ids, fields: Collection[str] | None = None, *, depth: int = _DEPTH
) -> Iterator[GeneratedCall]:
    """Yield calls of root fields that take one of the ids, whether directly or within an input.

    Args:
        schema: The schema.
        ids: The ids.
        fields: Names of root fields; by default all.
        depth: How many levels of objects are selected.
    """
    roots: dict[str, GraphQLObjectType | None] = {
        "query": schema.query_type,
        "mutation": schema.mutation_type,
        "subscription": schema.subscription_type,
    }
    for kind, root in roots.items():
        if root is not None:
            for name, field in root.fields.items():
                if fields is not None and name not in fields:
                    continue
                yield from _calls(schema, kind, name, field, ids, depth)


def _calls(
    schema: GraphQLSchema, kind: str, name: str, field: GraphQLField, ids: Ids, depth: int
) -> Iterator[GeneratedCall]:
    choices = {key: _values(key, argument, _type_of(argument), ids) for key, argument in field.args.items()}
    choices = {key: values for key, values in choices.items() if values}
    declared = ", ".join(f"${key}: {_type_of(field.args[key])}" for key in choices)
    passed = ", ".join(f"{key}: ${key}" for key in choices)
    selection = _selection(schema, _type_of(field), depth)
    query = f"{kind} ({declared}) {{ {name}({passed}) {selection} }}"
    for values in product(*choices.values()):
        variables = dict(zip(choices, values, strict=True))
        if any(id_ in str(variables) for id_ in ids.values()):
            yield GeneratedCall(kind, name, query, variables)


def _values(name: str, place: GraphQLArgument | GraphQLInputField, type_: object, ids: Ids) -> list[object]:
    """Return values to try for an argument or input field; none for an optional one that takes no id."""
    is_required = is_required_argument(place) if isinstance(place, GraphQLArgument) else is_required_input_field(place)
    values = _of_type(name, type_, ids)[:_MAX_VALUES]
    takes_id = any(id_ in str(value) for value in values for id_ in ids.values())
    return values if is_required or takes_id else []


def _of_type(name: str, type_: object, ids: Ids) -> list[object]:
    if isinstance(type_, GraphQLNonNull):
        return _of_type(name, cast("_Wrapper", type_).of_type, ids)
    if isinstance(type_, GraphQLList):
        return [[value] for value in _of_type(name.removesuffix("s"), cast("_Wrapper", type_).of_type, ids)]
    if isinstance(type_, GraphQLEnumType):
        return [next(iter(type_.values))]
    if isinstance(type_, GraphQLInputObjectType):
        return _of_input(type_, ids)
    if str(type_) == "ID":
        return list(ids.values()) if name == "id" else [ids[name]] if name in ids else []
    return ["http://127.0.0.1:9/x"] if name == "url" else [_SCALARS.get(str(type_), "kettle")]


def _of_input(type_: GraphQLInputObjectType, ids: Ids) -> list[object]:
    if getattr(type_.extensions["strawberry-definition"], "is_one_of", False):
        return [{name: value} for name, field in type_.fields.items() for value in _of_type(name, _type_of(field), ids)]
    choices = {name: _values(name, field, _type_of(field), ids) for name, field in type_.fields.items()}
    choices = {name: values for name, values in choices.items() if values}
    return [dict(zip(choices, values, strict=True)) for values in product(*choices.values())]


def _selection(schema: GraphQLSchema, type_: object, depth: int) -> str:
    """Select every field that needs no argument, `depth` levels deep."""
    named = _named(type_)
    if isinstance(named, (GraphQLUnionType, GraphQLInterfaceType)):
        members = [each for each in schema.get_possible_types(named) if named.name != "Node" or each.name in _NODES]
        parts = [f"... on {member.name} {_selection(schema, member, depth)}" for member in members]
        return f"{{ __typename {' '.join(parts)} }}"
    if not isinstance(named, GraphQLObjectType):
        return ""
    fields = ["__typename"]
    for name, field in named.fields.items():
        if any(is_required_argument(argument) for argument in field.args.values()):
            continue
        inner = _selection(schema, _type_of(field), depth - 1) if depth else None
        is_leaf = not isinstance(_named(_type_of(field)), (GraphQLObjectType, GraphQLUnionType, GraphQLInterfaceType))
        if is_leaf or inner:
            fields.append(f"{name} {inner or ''}")
    return f"{{ {' '.join(fields)} }}"


def _type_of(place: object) -> object:
    return cast("_Typed", place).type


def _named(type_: object) -> object:
    while isinstance(type_, (GraphQLNonNull, GraphQLList)):
        type_ = cast("_Wrapper", type_).of_type
    return type_
