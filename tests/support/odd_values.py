"""Odd values for every input of a schema, built from its SDL."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from uuid import UUID

from graphql import (
    EnumTypeDefinitionNode,
    FieldDefinitionNode,
    InputObjectTypeDefinitionNode,
    InputValueDefinitionNode,
    ListTypeNode,
    NamedTypeNode,
    NonNullTypeNode,
    ObjectTypeDefinitionNode,
    TypeNode,
    UnionTypeDefinitionNode,
    parse,
    print_ast,
)

from nexent_gql.api.schema.relay import global_id


@dataclass(frozen=True)
class Oddity:
    """One way of being odd: what stands for text, ids, numbers and lists.

    With `deep`, ids are well-formed (of objects that are not there) and pages are in order, so that the rest of the
    input gets behind the first checks.
    """

    text: str
    number: int
    items: int
    deep: bool = False

    def __str__(self) -> str:
        return f"{self.text[:12]!r}-{self.number}-{self.items}{'-deep' if self.deep else ''}"


_SHALLOW = [
    Oddity("", 0, 0),
    Oddity("x", 1, 1),
    Oddity("' OR 1=1 --; \\ % _ \u202e \ufeff", -1, 2),
    Oddity("字" * 30_000, 2_147_483_647, 1),
    Oddity("a" * 900_000, -2_147_483_648, 3),
    Oddity("VXNlcjowMTkwYTFiMi1jM2Q0LTdlNWYtODA5MS1hMmIzYzRkNWU2Zjc=", 5, 200),
    Oddity("\t\n \u0001\u007f", 7, 1),
]
ODDITIES = [*_SHALLOW, *(replace(oddity, deep=True) for oddity in _SHALLOW)]
_PAGE: dict[str, object] = {"first": 5, "last": None, "after": None, "before": None}


class Schema:
    """Root fields of an SDL, and documents that call them with odd values."""

    def __init__(self, sdl: str) -> None:
        definitions = parse(sdl).definitions
        self._inputs = {n.name.value: n for n in definitions if isinstance(n, InputObjectTypeDefinitionNode)}
        self._enums = {n.name.value: n for n in definitions if isinstance(n, EnumTypeDefinitionNode)}
        self._objects = {n.name.value: n for n in definitions if isinstance(n, ObjectTypeDefinitionNode)}
        self._unions = {n.name.value for n in definitions if isinstance(n, UnionTypeDefinitionNode)}

    def fields(self, root: str) -> Iterator[FieldDefinitionNode]:
        """Yield the fields of a root type."""
        yield from self._objects[root].fields or ()

    def document(self, root: str, field: FieldDefinitionNode) -> str:
        """Return a document that calls `field` with a variable for each argument."""
        arguments = field.arguments or ()
        declared = ", ".join(f"${each.name.value}: {print_ast(each.type)}" for each in arguments)
        argument_text = ", ".join(f"{each.name.value}: ${each.name.value}" for each in arguments)
        head = f"{root.lower()} ({declared})" if declared else root.lower()
        call = f"{field.name.value}({argument_text})" if argument_text else field.name.value
        return f"{head} {{ {call} {self._selection(field.type)} }}"

    def _selection(self, type_: TypeNode) -> str:
        name = _name(type_)
        if name in self._unions:
            return "{ __typename ... on Error { message code } }"
        return "{ __typename }" if name in self._objects or name == "Node" else ""

    def variables(self, field: FieldDefinitionNode, oddity: Oddity) -> dict[str, object]:
        """Return a value for each argument."""
        return self._values(field.arguments or (), field.name.value, oddity)

    def _values(self, nodes: tuple[InputValueDefinitionNode, ...], about: str, oddity: Oddity) -> dict[str, object]:
        values = {each.name.value: self._value(each.type, f"{each.name.value} {about}", oddity) for each in nodes}
        return values | {name: value for name, value in _PAGE.items() if oddity.deep and name in values}

    def _id(self, about: str, oddity: Oddity) -> str:
        """Return an id of the type whose name stands in the field's name, or else in that of what it belongs to."""
        if not oddity.deep:
            return oddity.text
        nodes = [name for name in self._objects if f"{name}Connection" in self._objects or name in ("Message", "Run")]
        named = [name for word in about.split() for name in nodes if name.lower() in word.lower()]
        return global_id(named[0] if named else "User", UUID(int=oddity.items))

    def _value(self, type_: TypeNode, about: str, oddity: Oddity) -> object:
        if isinstance(type_, NonNullTypeNode):
            return self._value(type_.type, about, oddity)
        if isinstance(type_, ListTypeNode):
            return [self._value(type_.type, about, oddity)] * oddity.items
        name = _name(type_)
        if name in self._inputs:
            return self._values(self._inputs[name].fields or (), about, oddity)
        if name == "ID":
            return self._id(about, oddity)
        if name in self._enums:
            values = self._enums[name].values or ()
            return values[oddity.number % len(values)].name.value
        scalars = {"Int": oddity.number, "Float": oddity.number / 3, "Boolean": bool(oddity.number % 2)}
        scalars |= {"DateTime": "2026-01-01T00:00:00Z", "JSON": {"x": [oddity.text]}}
        return scalars.get(name, oddity.text)


def _name(type_: TypeNode) -> str:
    while isinstance(type_, ListTypeNode | NonNullTypeNode):
        type_ = type_.type
    assert isinstance(type_, NamedTypeNode)
    return type_.name.value
