"""Reads the arguments of tool calls as models write them."""

import re
from ast import literal_eval

from nexent_gql.adapters.engine_smolagents.call_notations import unfenced
from nexent_gql.kernel.json import JsonObject, dumps, loads, loads_object

_MAX_LENIENT_CHARS = 100_000
_LITERALS = {"true": "True", "false": "False", "null": "None"}
_CONSTANTS = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|\b(true|false|null)\b""")


def read_arguments(written: str) -> JsonObject | None:
    """Return the arguments of a call; None if they are no object.

    Models also write JSON within a JSON string, within a fence, with a trailing comma, and as a literal of Python.
    """
    text = written.strip()
    for _ in range(2):
        text = unfenced(text)
        try:
            value = loads(text or "{}")
        except ValueError:
            return _read_literal(text)
        if not isinstance(value, str):
            return value if isinstance(value, dict) else None
        text = value.strip()
    return None


def _read_literal(text: str) -> JsonObject | None:
    """Read a literal of Python, which a trailing comma does not disturb, with the constants of JSON."""
    if len(text) > _MAX_LENIENT_CHARS:
        return None
    try:
        value: object = literal_eval(_CONSTANTS.sub(lambda match: _LITERALS[match[2]] if match[2] else match[0], text))
        return loads_object(dumps(value))
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return None
