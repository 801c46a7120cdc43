"""Rules that keep code generators working; see docs/clients/generators.md."""

import re

from graphql import GraphQLInterfaceType, GraphQLObjectType, build_schema

from nexent_gql.api.schema.build import print_sdl

SCHEMA = build_schema(print_sdl())
OBJECTS = [type_ for type_ in SCHEMA.type_map.values() if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType)]
ARGUMENTS = {
    f"{type_.name}.{field_name}({name}:)": argument
    for type_ in OBJECTS
    if not type_.name.startswith("__")
    for field_name, field in type_.fields.items()
    for name, argument in field.args.items()
}


def test_descriptions_of_arguments_have_no_colon() -> None:
    """Genql takes a colon for the type of a required argument."""
    assert len(ARGUMENTS) > 50
    assert [name for name, argument in ARGUMENTS.items() if ":" in (argument.description or "")] == []


def test_no_float_has_a_whole_number_as_default() -> None:
    """Netflix DGS writes the default as it stands, and Java refuses an int for a Double."""
    assert re.findall(r"\w+: Float!? = -?\d+\b(?!\.)", print_sdl()) == []
