"""JSON as bytes, by orjson; the one place that chooses a codec."""

from typing import cast

import orjson

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
JsonObject = dict[str, Json]


def dumps(value: object) -> bytes:
    """Encode as compact UTF-8; UUIDs and datetimes become strings."""
    return orjson.dumps(value)


def loads(data: bytes | str) -> Json:
    """Decode any JSON value.

    Raises:
        ValueError: `data` is not JSON.
    """
    return cast("Json", orjson.loads(data))


def loads_object(data: bytes | str) -> JsonObject:
    """Decode a JSON object.

    Raises:
        ValueError: `data` is not JSON, or its outermost value is not an object.
    """
    value = loads(data)
    if not isinstance(value, dict):
        message = "expected a JSON object"
        raise ValueError(message)  # noqa: TRY004 - to the caller it is bad data, not a wrong type
    return value
