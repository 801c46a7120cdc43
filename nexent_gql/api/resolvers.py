"""Resolvers without what Strawberry puts around each of them.

Its wrapper converts arguments, passes extensions and makes closures for every call, at several times the price of the
usual resolver. Where there is nothing to convert and nothing but permissions to ask, the function is called as it is.
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
    """What is read of Strawberry's resolvers; `wrapped_func` may be a class method, which is no function."""

    wrapped_func: _Resolve
    self_parameter: object | None
    info_parameter: _Named | None
    parent_parameter: object | None
    root_parameter: object | None


class _Resolvable(Protocol):
    base_resolver: _Resolver | None


_AS_THEY_ARE = (str, int, float, bool, strawberry.ID)
"""Types whose arguments graphql-core gives as resolvers take them."""


def call_directly(schema: GraphQLSchema) -> None:
    """Take Strawberry's wrappers off where nothing needs them: not in mutations or unions, where errors are members."""
    roots = (schema.mutation_type, schema.subscription_type)
    for type_ in schema.type_map.values():
        for field in type_.fields.values() if isinstance(type_, GraphQLObjectType) and type_ not in roots else ():
            field.resolve = _direct(field) or field.resolve


def _direct(field: GraphQLField) -> _Resolve | None:
    """Return a resolver that does what the field's own does; None where that does more."""
    definition = field.extensions.get("strawberry-definition")
    if not isinstance(definition, StrawberryField) or is_union_type(get_named_type(cast("_Typed", field).type)):
        return None
    resolver, permissions = cast("_Resolvable", definition).base_resolver, _permissions(definition)
    if resolver is None or permissions is None or not isfunction(resolver.wrapped_func):
        return None
    is_odd = resolver.parent_parameter or resolver.root_parameter
    if is_odd or not all(map(_is_taken_as_it_is, definition.arguments)):
        return None
    names = [(name, argument.python_name) for name, argument in zip(field.args, definition.arguments, strict=True)]
    call = _renaming(_caller(definition, resolver), names)
    if not permissions:
        return call
    checks = [_renaming(each.has_permission, names) for each in permissions]
    return _guarded(definition, call, checks, cast("_Resolve", field.resolve))


def _permissions(field: StrawberryField) -> Sequence[BasePermission] | None:
    """Return what guards a field; None when it has other extensions too, or must wait for a permission."""
    extensions = field.extensions
    if any(type(extension) is not PermissionExtension for extension in extensions):
        return None
    permissions = [
        each for extension in cast("Sequence[PermissionExtension]", extensions) for each in extension.permissions
    ]
    return None if any(iscoroutinefunction(each.has_permission) for each in permissions) else permissions


def _is_taken_as_it_is(argument: StrawberryArgument) -> bool:
    type_ = argument.type
    if isinstance(type_, StrawberryOptional) and not isinstance(type_, StrawberryMaybe):
        type_ = type_.of_type
    return type_ in _AS_THEY_ARE


def _renaming(function: _Resolve, names: Sequence[tuple[str, str]]) -> _Resolve:
    """Give arguments by the names that Python has for them."""
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
    """Ask the permissions first; what to do about one that does not say True is Strawberry's to know."""

    def resolve(source: object, info: _RawInfo, **arguments: object) -> object:
        strawberry_info = _Info(_raw_info=info, _field=field)
        for has_permission in permissions:
            if has_permission(source, strawberry_info, **arguments) is not True:
                return by_strawberry(source, info, **arguments)
        return call(source, info, **arguments)

    async def resolve_later(source: object, info: _RawInfo, **arguments: object) -> object:
        return await cast("Awaitable[object]", resolve(source, info, **arguments))

    return resolve_later if field.is_async else resolve
