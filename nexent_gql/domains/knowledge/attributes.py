"""Attributes of documents: keys and values that users choose, such as tags, by which searches are filtered."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import regex

from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.json import JsonObject
from nexent_gql.kernel.text import single_line

MAX_ATTRIBUTES = 20
MAX_ATTRIBUTE_VALUES = 20
MAX_KEY_CHARS = 50
MAX_VALUE_CHARS = 200
_KEY = regex.compile(r"\p{L}[\p{L}\p{M}\p{N} _.-]*")


@dataclass(frozen=True, slots=True)
class DocumentAttribute:
    """A key of a document with its values."""

    key: str
    values: tuple[str, ...]


def stored_attributes(attributes: Sequence[DocumentAttribute], *path: str) -> JsonObject:
    """Return attributes as they are stored: lists of values by key.

    Args:
        attributes: At most 20, each key once, each with 1 to 20 values.
        path: The field of the input.

    Raises:
        InvalidInputError: A key or value breaks a rule; the error names it.
    """
    if len(attributes) > MAX_ATTRIBUTES:
        raise InvalidInputError(f"Give at most {MAX_ATTRIBUTES} attributes.", path=path, limit=MAX_ATTRIBUTES)
    stored: JsonObject = {}
    for number, attribute in enumerate(attributes):
        place = (*path, str(number))
        key = check_key(attribute.key, *place, "key")
        if key in stored:
            raise InvalidInputError("Name each key once.", path=(*place, "key"))
        stored[key] = list(check_values(attribute.values, *place, "values", limit=MAX_ATTRIBUTE_VALUES))
    return stored


def attributes_of(stored: Mapping[str, object]) -> tuple[DocumentAttribute, ...]:
    """Return stored attributes in the order of their keys."""
    return tuple(DocumentAttribute(key, tuple(cast("list[str]", stored[key]))) for key in sorted(stored))


def check_key(key: str, *path: str) -> str:
    """Return a key, composed and without spaces around it.

    Raises:
        InvalidInputError: It is empty or too long, or has a character that is not accepted.
    """
    line = single_line(key, *path, max_chars=MAX_KEY_CHARS)
    if _KEY.fullmatch(line) is None:
        message = "A key begins with a letter; letters, digits, spaces, `_`, `.` and `-` may follow."
        raise InvalidInputError(message, path=path)
    return line


def check_values(values: Iterable[str], *path: str, limit: int) -> tuple[str, ...]:
    """Return values, each once.

    Raises:
        InvalidInputError: There are none or too many, or one is empty, too long or not a single line.
    """
    lines = list(values)
    if not 1 <= len(lines) <= limit:
        raise InvalidInputError(f"Give 1 to {limit} values.", path=path, minimum=1, limit=limit)
    checked = (single_line(line, *path, str(number), max_chars=MAX_VALUE_CHARS) for number, line in enumerate(lines))
    return tuple(dict.fromkeys(checked))
