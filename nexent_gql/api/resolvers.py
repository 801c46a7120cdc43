"""Calls resolvers without Strawberry's wrapper where it has nothing to do.

The wrapper converts arguments, runs extensions and creates closures on every call, which costs several times as much as
a typical resolver. A field whose arguments need no conversion and that has no extensions but permissions is called
directly.
"""

from collections.abc import Awaitable, Callable, Sequence
from inspect import iscoroutinefunction, isfunction
from typing import Protocol, cast

import strawberry
from graphql import (
    GraphQLField,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
    GraphQLType,
    get_named_type,
    is_union_type,
)
from strawberry.permission import BasePermission, PermissionExtension
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.base import StrawberryMaybe, StrawberryOptional
from strawberry.types.field import StrawberryField

from nexent_gql.api.context import Context

_Info = strawberry.Info[Context, None]
_RawInfo = GraphQLResolveInfo[Context]
_Resolve = Callable[..., object]


class _Named(Protocol):
    name: str


class _Typed(Protocol):
    type: GraphQLType


class _Resolver(Protocol):
    """The parts of Strawberry's resolvers that are read here; `wrapped_func` may be a class method."""

    wrapped_func: _Resolve
    self_parameter: object | None
    info_parameter: _Named | None
    parent_parameter: object | None
    root_parameter: object | None


class _Resolvable(Protocol):
    base_resolver: _Resolver | None


_UNCONVERTED = (str, int, float, bool, strawberry.ID)
"""Types of arguments that graphql-core passes in the form that resolvers take."""


def call_directly(schema: GraphQLSchema) -> None:
    """Remove Strawberry's wrappers, except in mutations and unions, whose errors are members of the union."""
    roots = (schema.mutation_type, schema.subscription_type)
    for type_ in schema.type_map.values():
        for field in type_.fields.values() if isinstance(type_, GraphQLObjectType) and type_ not in roots else ():
            field.resolve = _direct(field) or field.resolve


def _direct(field: GraphQLField) -> _Resolve | None:
    """Return a resolver that does the same without the wrapper; None where the wrapper is needed."""
    definition = field.extensions.get("strawberry-definition")
    if not isinstance(definition, StrawberryField) or is_union_type(get_named_type(cast("_Typed", field).type)):
        return None
    resolver, permissions = cast("_Resolvable", definition).base_resolver, _permissions(definition)
    if resolver is None or permissions is None or not isfunction(resolver.wrapped_func):
        return None
    needs_source = resolver.parent_parameter or resolver.root_parameter
    if needs_source or not all(map(_needs_no_conversion, definition.arguments)):
        return None
    names = [(name, argument.python_name) for name, argument in zip(field.args, definition.arguments, strict=True)]
    call = _renaming(_caller(definition, resolver), names)
    if not permissions:
        return call
    checks = [_renaming(each.has_permission, names) for each in permissions]
    return _guarded(definition, call, checks, cast("_Resolve", field.resolve))


def _permissions(field: StrawberryField) -> Sequence[BasePermission] | None:
    """Return the permissions of a field; None when it has other extensions, or a permission is asynchronous."""
    extensions = field.extensions
    if any(type(extension) is not PermissionExtension for extension in extensions):
        return None
    permissions = [
        each for extension in cast("Sequence[PermissionExtension]", extensions) for each in extension.permissions
    ]
    return None if any(iscoroutinefunction(each.has_permission) for each in permissions) else permissions


def _needs_no_conversion(argument: StrawberryArgument) -> bool:
    type_ = argument.type
    if isinstance(type_, StrawberryOptional) and not isinstance(type_, StrawberryMaybe):
        type_ = type_.of_type
    return type_ in _UNCONVERTED


def _renaming(function: _Resolve, names: Sequence[tuple[str, str]]) -> _Resolve:
    """Pass arguments by their Python names."""
    renamed = [(name, python_name) for name, python_name in names if name != python_name]

    def call(source: object, info: object, **arguments: object) -> object:
        for name, python_name in renamed:
            if name in arguments:
                arguments[python_name] = arguments.pop(name)
        return function(source, info, **arguments)

    return call if renamed else function


def _caller(field: StrawberryField, resolver: _Resolver) -> _Resolve:
    function = resolver.wrapped_func
    info_name = resolver.info_parameter.name if resolver.info_parameter else ""
    takes_self = resolver.self_parameter is not None

    def call(source: object, info: _RawInfo, **arguments: object) -> object:
        if info_name:
            arguments[info_name] = _Info(_raw_info=info, _field=field)
        return function(source, **arguments) if takes_self else function(**arguments)

    return call


def _guarded(
    field: StrawberryField, call: _Resolve, permissions: Sequence[_Resolve], by_strawberry: _Resolve
) -> _Resolve:
    """Check permissions first; if one is not granted, Strawberry's own resolver raises the error."""

    def resolve(source: object, info: _RawInfo, **arguments: object) -> object:
        strawberry_info = _Info(_raw_info=info, _field=field)
        for has_permission in permissions:
            if has_permission(source, strawberry_info, **arguments) is not True:
                return by_strawberry(source, info, **arguments)
        return call(source, info, **arguments)

    async def resolve_later(source: object, info: _RawInfo, **arguments: object) -> object:
        return await cast("Awaitable[object]", resolve(source, info, **arguments))

    return resolve_later if field.is_async else resolve
