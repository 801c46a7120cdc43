"""JSON as bytes, by orjson."""

from collections.abc import Callable
from typing import cast

import orjson

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
JsonObject = dict[str, Json]


dumps = cast("Callable[[object], bytes]", orjson.dumps)
"""Encodes as compact UTF-8; UUIDs and datetimes become strings. Raises TypeError for other types."""

loads = cast("Callable[[bytes | str], Json]", orjson.loads)
"""Decodes any JSON value. Raises ValueError for invalid JSON."""


def loads_object(data: bytes | str) -> JsonObject:
    """Decode a JSON object.

    Raises:
        ValueError: `data` is not JSON, or its outermost value is not an object.
    """
    value = loads(data)
    if not isinstance(value, dict):
        message = "expected a JSON object"
        raise ValueError(message)  # noqa: TRY004 - to the caller it is invalid data, not a wrong type
    return value
