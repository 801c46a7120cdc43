"""Attributes of documents, and changing them."""

import strawberry

from nexent_gql.domains.knowledge import attributes
from nexent_gql.domains.knowledge.attributes import (
    MAX_ATTRIBUTE_VALUES,
    MAX_ATTRIBUTES,
    MAX_KEY_CHARS,
    MAX_VALUE_CHARS,
)

ATTRIBUTES = f"Keys and values such as tags, by which searches are filtered. At most {MAX_ATTRIBUTES}, each key once."
_KEY = f"Key such as `tags`, 1 to {MAX_KEY_CHARS} characters: a letter, then letters, digits, spaces, `_`, `.` and `-`."
_VALUES = f"1 to {MAX_ATTRIBUTE_VALUES} values, each of 1 to {MAX_VALUE_CHARS} characters on one line."


@strawberry.type(description="A key of a document with its values.")
class DocumentAttribute:
    key: str = strawberry.field(description=_KEY)
    values: list[str] = strawberry.field(description=_VALUES)


@strawberry.input(description="A key of a document with its values.")
class DocumentAttributeInput:
    key: str = strawberry.field(description=_KEY)
    values: list[str] = strawberry.field(description=_VALUES)


def document_attributes(inputs: list[DocumentAttributeInput] | None) -> tuple[attributes.DocumentAttribute, ...]:
    """Return what the service takes."""
    return tuple(attributes.DocumentAttribute(item.key, tuple(item.values)) for item in inputs or ())
