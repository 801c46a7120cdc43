"""Defaults of inputs, in the form that clients and code generators of every language take.

`= null` has no effect, and some generators write code that does not compile from it. `T! = default` may be left out by
the specification, but many generators require it, or send null for what is unset.
"""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Protocol, cast

from graphql import GraphQLInputObjectType, GraphQLSchema, Undefined


class _Input(Protocol):
    """An argument, or a field of an input object."""

    type: object
    default_value: object
    out_name: str | None


class _Field(Protocol):
    args: Mapping[str, _Input]


class _NonNull(Protocol):
    of_type: object


def relax_defaults(schema: GraphQLSchema) -> None:
    """Drop `= null`, and make inputs with another default nullable.

    A field of an input object that is null then holds its default. A resolver has to take None for an argument.
    """
    for type_ in schema.type_map.values():
        if isinstance(type_, GraphQLInputObjectType):
            defaults = _relax(cast("Mapping[str, _Input]", type_.fields))
            if defaults:
                type_.out_type = partial(_fill_defaults, defaults)
            continue
        for field in _fields_of(type_):
            _relax(field.args)


def _fields_of(type_: object) -> Iterable[_Field]:
    fields = cast("Mapping[str, object]", getattr(type_, "fields", {}))
    return [cast("_Field", field) for field in fields.values() if hasattr(field, "args")]


def _relax(inputs: Mapping[str, _Input]) -> dict[str, object]:
    """Relax inputs, and return the defaults that null stands for now."""
    defaults: dict[str, object] = {}
    for name, each in inputs.items():
        if each.default_value is None:
            each.default_value = Undefined
        elif each.default_value is not Undefined and str(each.type).endswith("!"):
            each.type = cast("_NonNull", each.type).of_type
            defaults[each.out_name or name] = each.default_value
    return defaults


def _fill_defaults(defaults: Mapping[str, object], value: Mapping[str, object]) -> dict[str, object]:
    return {**value, **{name: default for name, default in defaults.items() if value.get(name) is None}}
