"""GraphQL documents made by hypothesis: every shape of selection that the types of a schema allow."""

from collections.abc import Sequence
from typing import Protocol, cast

from graphql import (
    GraphQLCompositeType,
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    is_abstract_type,
    is_composite_type,
)
from hypothesis import strategies as st

DIRECTIVES = ("", "", "", " @skip(if: $no)", " @include(if: $yes)", " @include(if: $no)", " @skip(if: false)")


class _Typed(Protocol):
    type: object


def composite(schema: GraphQLSchema, name: str) -> GraphQLCompositeType:
    """Return a type that has selections."""
    type_ = schema.get_type(name)
    assert is_composite_type(type_)
    return type_


def named_type(schema: GraphQLSchema, field: GraphQLField) -> GraphQLNamedType | None:
    """Return a field's type without lists and non-nulls."""
    return schema.get_type(str(cast("_Typed", field).type).strip("[]!"))


def conditions(schema: GraphQLSchema, type_: GraphQLCompositeType) -> Sequence[str]:
    """Return the types that a fragment within a selection on `type_` may be on."""
    if not is_abstract_type(type_):
        return [type_.name, *(interface.name for interface in cast("GraphQLObjectType", type_).interfaces)]
    return [type_.name, *(member.name for member in schema.get_possible_types(type_))]


@st.composite
def selections(
    draw: st.DrawFn, schema: GraphQLSchema, type_: GraphQLCompositeType, fragments: Sequence[str], depth: int = 3
) -> str:
    """Draw what stands between braces on `type_`; `fragments` may be spread there."""
    parts: list[str] = []
    for _ in range(draw(st.integers(1, 5))):
        kind = draw(st.sampled_from(["field", "field", "field", "typename", "inline", "spread"]))
        switch = draw(st.sampled_from(DIRECTIVES))
        if kind == "inline" and depth:
            on = draw(st.sampled_from(["", *conditions(schema, type_)]))
            inner = draw(selections(schema, composite(schema, on or type_.name), fragments, depth - 1))
            parts.append(f"...{f' on {on}' if on else ''}{switch} {{ {inner} }}")
        elif kind == "spread" and fragments:
            parts.append(f"...{draw(st.sampled_from(fragments))}{switch}")
        elif kind == "field" and not isinstance(type_, GraphQLUnionType) and depth:
            parts.append(draw(_field(schema, type_.fields, switch, depth)))
        else:
            parts.append(f"{draw(st.sampled_from(['', 'kind: ']))}__typename{switch}")
    return " ".join(parts)


@st.composite
def _field(
    draw: st.DrawFn,
    schema: GraphQLSchema,
    fields: dict[str, GraphQLField],
    switch: str,
    depth: int,
) -> str:
    name = draw(st.sampled_from(sorted(name for name, field in fields.items() if not field.args)))
    alias = draw(st.sampled_from(["", "", f"{name}2: "]))
    type_ = named_type(schema, fields[name])
    if not is_composite_type(type_):
        return f"{alias}{name}{switch}"
    return f"{alias}{name}{switch} {{ {draw(selections(schema, type_, [], depth - 1))} }}"


@st.composite
def subscriptions(draw: st.DrawFn, schema: GraphQLSchema, field: str, call: str) -> str:
    """Draw a subscription of one root field; `call` is the field with its arguments.

    It has the variables `$yes` and `$no`, and may be invalid: an alias can stand for two types.
    """
    assert schema.subscription_type
    type_ = named_type(schema, schema.subscription_type.fields[field])
    assert is_composite_type(type_)
    names = [f"F{n}" for n in range(draw(st.integers(0, 2)))]
    inner = draw(selections(schema, type_, names))
    spreads = " ".join(f"...{name}" for name in names)
    used = "used: __typename @include(if: $yes) @skip(if: $no)"
    text = f"subscription ($yes: Boolean = true, $no: Boolean!) {{ {call} {{ {inner} {spreads} {used} }} }}"
    for number, name in enumerate(names):
        on = draw(st.sampled_from(conditions(schema, type_)))
        body = draw(selections(schema, composite(schema, on), names[number + 1 :]))
        text += f" fragment {name} on {on} {{ {body} }}"
    return text
