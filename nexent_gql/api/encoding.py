"""Encodes results as JSON."""

import json
from dataclasses import dataclass

from nexent_gql.kernel.json import dumps


@dataclass(slots=True)  # never changed; not frozen, because creating a frozen one takes three times as long
class Rendered:
    """A result without errors, encoded as JSON.

    `cursor` is that of its event, whether or not it was selected. The event itself is not kept: events keep their
    renderings, and a cycle of references stays in memory until the garbage collector finds it.
    """

    payload: bytes
    cursor: str | None = None


def encode(value: object) -> bytes:
    """Encode as JSON; integers and text that orjson refuses are encoded by the standard library."""
    try:
        return dumps(value)
    except TypeError:
        return json.dumps(value, separators=(",", ":")).encode()


def cursor_of(event: object) -> str | None:
    """Return the cursor of an event; None if it has none."""
    cursor = getattr(event, "cursor", None)
    return cursor if isinstance(cursor, str) and cursor.isprintable() else None


def render(key: str, value: object, event: object) -> Rendered:
    """Encode the result of an event, which has one root field."""
    return Rendered(encode({"data": {key: value}}), cursor_of(event))
