"""Rules about the whole schema, as tests rather than review comments."""

from collections.abc import Iterator

import pytest
from graphql import (
    EnumTypeDefinitionNode,
    FieldDefinitionNode,
    InputObjectTypeDefinitionNode,
    InterfaceTypeDefinitionNode,
    NamedTypeNode,
    NonNullTypeNode,
    ObjectTypeDefinitionNode,
    ScalarTypeDefinitionNode,
    TypeNode,
    UnionTypeDefinitionNode,
    parse,
)
from strawberry.types import get_object_definition

from nexent_gql.api.schema.build import MODULES, build_schema, print_sdl

SDL = print_sdl()
TYPES = parse(SDL).definitions
OBJECTS = {node.name.value: node for node in TYPES if isinstance(node, ObjectTypeDefinitionNode)}
WITH_FIELDS = ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode


def name_of(type_: TypeNode) -> str:
    while not isinstance(type_, NamedTypeNode):
        type_ = getattr(type_, "type")  # noqa: B009 - lists and non-nulls have one, which their union does not say
    return type_.name.value


def described() -> Iterator[tuple[str, object]]:
    for node in TYPES:
        name = str(getattr(getattr(node, "name", None), "value", ""))
        yield name, getattr(node, "description", None)
        if isinstance(node, WITH_FIELDS):
            for field in node.fields or ():
                yield f"{name}.{field.name.value}", field.description
                for argument in field.arguments or ():
                    yield f"{name}.{field.name.value}({argument.name.value}:)", argument.description
        elif isinstance(node, InputObjectTypeDefinitionNode | EnumTypeDefinitionNode):
            members = node.fields if isinstance(node, InputObjectTypeDefinitionNode) else node.values
            for member in members or ():
                yield f"{name}.{member.name.value}", member.description


def fields_of(name: str) -> tuple[FieldDefinitionNode, ...]:
    return OBJECTS[name].fields or () if name in OBJECTS else ()


def interfaces_of(name: str) -> list[str]:
    return [interface.name.value for interface in OBJECTS[name].interfaces or ()]


def test_everything_is_described() -> None:
    assert [coordinate for coordinate, description in described() if description is None] == []


def test_every_root_field_states_who_may_call_it() -> None:
    schema = build_schema()
    silent: list[str] = []
    for root in (schema.query, schema.mutation, schema.subscription):
        assert root
        fields = get_object_definition(root, strict=True).fields
        silent += [field.python_name for field in fields if not field.permission_classes]
    assert silent == []


def test_mutations_take_one_input_and_say_what_can_go_wrong() -> None:
    unions = {node.name.value: node for node in TYPES if isinstance(node, UnionTypeDefinitionNode)}
    for field in fields_of("Mutation"):
        assert [argument.name.value for argument in field.arguments or ()] in ([], ["input"]), field.name.value
        assert all(isinstance(argument.type, NonNullTypeNode) for argument in field.arguments or ()), field.name.value
        members = [member.name.value for member in unions[name_of(field.type)].types or ()]
        errors = [name for name in members if name.endswith("Error")]
        assert len(members) - len(errors) == 1, f"{field.name.value}: one payload beside the errors"
        for name in errors:
            assert "Error" in interfaces_of(name), name


def test_every_node_can_be_found_by_its_id() -> None:
    reachable = {get_object_definition(cls, strict=True).name for module in MODULES for cls in module.nodes}
    nodes = {
        name
        for name, node in OBJECTS.items()
        if "Node" in [interface.name.value for interface in node.interfaces or ()]
    }
    assert reachable == nodes


def test_custom_scalars_say_where_they_are_specified() -> None:
    for node in TYPES:
        if isinstance(node, ScalarTypeDefinitionNode):
            assert [directive.name.value for directive in node.directives or ()] == ["specifiedBy"], node.name.value


@pytest.mark.parametrize("name", [name for name in OBJECTS if name.endswith("Connection")])
def test_connections_are_whole(name: str) -> None:
    assert [field.name.value for field in fields_of(name)] == ["edges", "nodes", "pageInfo", "totalCount"]


def test_the_sdl_is_stable() -> None:
    assert print_sdl() == SDL
    names = [node.name.value for node in TYPES if isinstance(node, ObjectTypeDefinitionNode)]
    assert names == sorted(names, key=str.lower)
