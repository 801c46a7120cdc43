"""Inputs with a default may be left out, or be null, in every client."""

from graphql import (
    GraphQLInputObjectType,
    GraphQLNonNull,
    GraphQLObjectType,
    Undefined,
)

from nexent_gql.api.schema.build import build_schema


def defaults() -> dict[str, tuple[object, object]]:
    """Return the type and the default of every argument and input field."""
    inputs: dict[str, tuple[object, object]] = {}
    for type_ in build_schema().core.type_map.values():
        if isinstance(type_, GraphQLInputObjectType):
            inputs.update(
                {f"{type_.name}.{name}": (field.type, field.default_value) for name, field in type_.fields.items()}
            )
        elif isinstance(type_, GraphQLObjectType) and not type_.name.startswith("__"):
            for field_name, field in type_.fields.items():
                path = f"{type_.name}.{field_name}"
                inputs.update({f"{path}.{name}": (each.type, each.default_value) for name, each in field.args.items()})
    return inputs


def test_no_input_says_null_or_is_required_with_a_default() -> None:
    inputs = defaults()
    assert len(inputs) > 50
    assert not [name for name, (_, default) in inputs.items() if default is None]
    assert not [
        name
        for name, (type_, default) in inputs.items()
        if default is not Undefined and isinstance(type_, GraphQLNonNull)
    ]
