"""Enums of the domains in the schema."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

import strawberry
from strawberry.types.enum import has_enum_definition

E = TypeVar("E", bound=StrEnum)


def described(enum: type[E], description: str, values: Mapping[E, str]) -> type[E]:
    """Show a domain's enum in the schema under its own name, with a description of each value; return the enum.

    Raises:
        ValueError: A value has no description.
    """
    if missing := [value.name for value in enum if value not in values]:
        raise ValueError(f"{enum.__name__}: say what {', '.join(missing)} means")
    shown = strawberry.enum(enum, description=description)
    if has_enum_definition(shown):
        for value in shown.__strawberry_definition__.values:
            value.description = values[enum[value.name]]
    return enum
