"""What can be compiled: fields that are attributes, and types that are told by an object's class."""

from typing import cast

from graphql import GraphQLAbstractType, GraphQLField, GraphQLInterfaceType, GraphQLObjectType
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField

_DEFINITION = "strawberry-definition"


class NotCoveredError(Exception):
    """A selection that graphql-core has to execute."""


class ToldByClass:
    """An interface whose implementations are told by the class of an object.

    Strawberry finds that out by itself too, at several times the price.
    """

    @classmethod
    def resolve_type(cls, value: object, _info: object, _interface: object) -> str:
        """Name the type of an object."""
        return type(value).__name__

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        """Tell whether an object is of this very type."""
        return type(value) is cls


def attribute_of(field: GraphQLField) -> str | None:
    """Return the attribute that a field shows; None when it has a resolver, a permission or an extension."""
    definition = field.extensions.get(_DEFINITION)
    is_plain = (
        isinstance(definition, StrawberryField)
        and definition.is_basic_field
        and definition.default_resolver is getattr
        and getattr(field.resolve, "_is_default", False) is True
    )
    return cast("StrawberryField", definition).python_name if is_plain else None


def class_of(type_: GraphQLObjectType) -> type:
    """Return the class whose instances are shown as `type_`; objects of a generic class do not tell of what it is.

    Raises:
        NotCoveredError: The type decides by itself what is an instance of it.
    """
    definition = type_.extensions.get(_DEFINITION)
    if not isinstance(definition, StrawberryObjectDefinition) or _has_own_mind(definition, "is_type_of"):
        raise NotCoveredError
    return (definition.concrete_of or definition).origin


def classes_of(abstract: GraphQLAbstractType, members: list[GraphQLObjectType]) -> dict[type, GraphQLObjectType]:
    """Return the members of an interface or a union that an object's class tells.

    Raises:
        NotCoveredError: The interface decides by itself what an object is.
    """
    definition = abstract.extensions.get(_DEFINITION)
    if isinstance(abstract, GraphQLInterfaceType) and _has_own_mind(definition, "resolve_type"):
        raise NotCoveredError
    found: dict[type, GraphQLObjectType] = {}
    for member in members:
        definition = member.extensions.get(_DEFINITION)
        if isinstance(definition, StrawberryObjectDefinition) and definition.concrete_of is None:
            found[class_of(member)] = member
    return found


def _has_own_mind(definition: object, method: str) -> bool:
    function = getattr(getattr(definition, method, None), "__func__", getattr(definition, method, None))
    return function is not None and function is not getattr(getattr(ToldByClass, method), "__func__", None)
