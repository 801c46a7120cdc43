"""Partial changes: a field is left alone, set, or (where it may be None) cleared."""

from enum import Enum
from typing import Final, TypeVar

T = TypeVar("T")


class Unset(Enum):
    """The type of `UNSET`; an enum, so that `is UNSET` narrows a type."""

    UNSET = "UNSET"


UNSET: Final = Unset.UNSET


def set_or(new: T | Unset, old: T) -> T:
    """Return `new`, or `old` when `new` is UNSET."""
    return old if new is UNSET else new
