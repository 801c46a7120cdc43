"""Results as JSON."""

import json
from dataclasses import dataclass
from typing import cast

from nexent_gql.kernel.json import dumps


@dataclass(slots=True)  # never changed; not frozen, because that makes one three times as expensive
class Rendered:
    """A result without errors, as it goes over the wire; `data` is what `payload` was made of."""

    payload: bytes
    data: object

    @property
    def cursor(self) -> str | None:
        """The event's own cursor, if that was asked for."""
        return cursor_of(self.data)


def encode(value: object) -> bytes:
    """Encode as JSON; integers and text that the fast encoder refuses are left to the standard one."""
    try:
        return dumps(value)
    except TypeError:
        return json.dumps(value, separators=(",", ":")).encode()


def cursor_of(data: object) -> str | None:
    """Return the cursor that the first root field which has one names."""
    for value in cast("dict[str, object]", data).values() if isinstance(data, dict) else ():
        cursor = cast("dict[str, object]", value).get("cursor") if isinstance(value, dict) else None
        if isinstance(cursor, str) and cursor.isprintable():
            return cursor
    return None


def render(key: str, value: object) -> Rendered:
    """Encode a result that has nothing but one root field."""
    data = {key: value}
    try:
        return Rendered(dumps({"data": data}), data)
    except TypeError:
        return Rendered(encode({"data": data}), data)
