"""Decides what can be compiled: fields that are attributes, and types that follow from an object's class."""

from collections.abc import Hashable
from typing import cast

from graphql import GraphQLAbstractType, GraphQLField, GraphQLInterfaceType, GraphQLObjectType
from strawberry.relay import Node
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField

from nexent_gql.api.related import RELATED, Related

_DEFINITION = "strawberry-definition"


class NotCompilableError(Exception):
    """A selection that graphql-core has to execute."""


class ResolvedByClass:
    """An interface whose implementation is the class of the object.

    Strawberry can determine it too, but takes several times as long.
    """

    @classmethod
    def resolve_type(cls, value: object, _info: object, _interface: object) -> str:
        """Return the name of an object's type."""
        return type(value).__name__

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        """Return whether an object is exactly of this type."""
        return type(value) is cls


def attribute_of(field: GraphQLField) -> str | None:
    """Return the attribute of a field; None if it has a resolver, a permission or an extension."""
    definition = field.extensions.get(_DEFINITION)
    is_plain = (
        isinstance(definition, StrawberryField)
        and definition.is_basic_field
        and definition.default_resolver is getattr
        and getattr(field.resolve, "_is_default", False) is True
    )
    return cast("StrawberryField", definition).python_name if is_plain else None


def node_id_of(field: GraphQLField, cls: type) -> str | None:
    """Return the attribute that a global id is made of; None for other fields, and where a type overrides its id."""
    definition = field.extensions.get(_DEFINITION)
    shows_id = isinstance(definition, StrawberryField) and definition.python_name == "_id" and issubclass(cls, Node)
    is_plain = shows_id and all(_is_inherited(cls, name, Node) for name in ("_id", "resolve_id", "resolve_typename"))
    return cls.resolve_id_attr() if is_plain and issubclass(cls, Node) else None


def _is_inherited(cls: type, name: str, base: type) -> bool:
    own, inherited = getattr(cls, name, None), getattr(base, name, None)
    return getattr(own, "__func__", own) is getattr(inherited, "__func__", inherited)


def related_of(field: GraphQLField) -> Related[Hashable, object] | None:
    """Return how a field is loaded; None if it does anything else, such as checking a permission."""
    definition = field.extensions.get(_DEFINITION)
    if not isinstance(definition, StrawberryField) or definition.extensions:
        return None
    return cast("Related[Hashable, object] | None", definition.metadata.get(RELATED))


def class_of(type_: GraphQLObjectType) -> type:
    """Return the class of a type's objects; that of a generic type is shared by all its concrete types.

    Raises:
        NotCompilableError: The type overrides `is_type_of`.
    """
    definition = type_.extensions.get(_DEFINITION)
    if not isinstance(definition, StrawberryObjectDefinition) or _overrides(definition, "is_type_of"):
        raise NotCompilableError
    return (definition.concrete_of or definition).origin


def classes_of(abstract: GraphQLAbstractType, members: list[GraphQLObjectType]) -> dict[type, GraphQLObjectType]:
    """Return the members of an interface or a union by their class.

    Raises:
        NotCompilableError: The interface overrides `resolve_type`.
    """
    definition = abstract.extensions.get(_DEFINITION)
    if isinstance(abstract, GraphQLInterfaceType) and _overrides(definition, "resolve_type"):
        raise NotCompilableError
    types_by_class: dict[type, GraphQLObjectType] = {}
    for member in members:
        definition = member.extensions.get(_DEFINITION)
        if isinstance(definition, StrawberryObjectDefinition) and definition.concrete_of is None:
            types_by_class[class_of(member)] = member
    return types_by_class


def _overrides(definition: object, method: str) -> bool:
    function = getattr(getattr(definition, method, None), "__func__", getattr(definition, method, None))
    return function is not None and function is not getattr(getattr(ResolvedByClass, method), "__func__", None)
