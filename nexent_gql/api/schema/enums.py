"""Enums of the domains in the schema."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

import strawberry
from strawberry.types.enum import has_enum_definition

E = TypeVar("E", bound=StrEnum)


def described(enum: type[E], description: str, values: Mapping[E, str], *, name: str | None = None) -> type[E]:
    """Show a domain's enum in the schema, by default under its own name, and return it.

    Raises:
        ValueError: A value has no description.
    """
    if missing := [value.name for value in enum if value not in values]:
        raise ValueError(f"{enum.__name__}: say what {', '.join(missing)} means")
    schema_enum = strawberry.enum(enum, name=name, description=description)
    if has_enum_definition(schema_enum):
        for value in schema_enum.__strawberry_definition__.values:
            value.description = values[enum[value.name]]
    return enum
