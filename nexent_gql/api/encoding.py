"""Encodes results as JSON."""

import json
from dataclasses import dataclass

from nexent_gql.kernel.json import dumps


@dataclass(slots=True)  # never changed; not frozen, because creating a frozen one takes three times as long
class Rendered:
    """A result without errors, encoded as JSON; `event` is its source."""

    payload: bytes
    event: object

    @property
    def cursor(self) -> str | None:
        """The cursor of the event, whether or not it was selected."""
        return cursor_of(self.event)


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
    data = {"data": {key: value}}
    try:
        return Rendered(dumps(data), event)
    except TypeError:
        return Rendered(encode(data), event)
