"""The order of schema.graphql, so that a change of the schema is a short difference of the file."""

from typing import TypeVar

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    build_schema,
    is_introspection_type,
    is_specified_directive,
    is_specified_scalar_type,
    lexicographic_sort_schema,
)
from graphql.utilities.print_schema import print_directive, print_type

T = TypeVar("T")
_FIRST = ("id",)
_LAST = ("createdAt", "updatedAt")


def sorted_sdl(sdl: str) -> str:
    """Return the same definitions by name, with a final newline; within them `id` is first, `updatedAt` last.

    A copy is sorted, not the schema: Strawberry's own `sort_schema` replaces all types, after which no union finds
    its members.
    """
    schema = lexicographic_sort_schema(build_schema(sdl))
    own = [item for item in schema.directives if not is_specified_directive(item)]
    for directive in own:
        if "label" in directive.args:  # Apollo Kotlin expects it first in `@defer`
            directive.args = {"label": directive.args["label"], **directive.args}
    printed = {item.name: print_directive(item) for item in own}
    for type_ in schema.type_map.values():
        if is_introspection_type(type_) or is_specified_scalar_type(type_):
            continue
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
            _arrange(type_.fields)
        elif isinstance(type_, GraphQLEnumType):
            _arrange(type_.values)
        printed[type_.name] = print_type(type_)
    _arrange(printed)
    return "\n\n".join(printed.values()) + "\n"


def _arrange(members: dict[str, T]) -> None:
    for name in sorted(members, key=_place):
        members[name] = members.pop(name)


def _place(name: str) -> tuple[int, str]:
    """Sort as dictionaries do: letter case does not count, and an underscore comes ahead of any letter."""
    group = _LAST.index(name) + 1 if name in _LAST else -1 if name in _FIRST else 0
    return group, name.lower().replace("_", " ")
