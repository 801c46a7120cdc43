"""Convert values that leave the sandbox to JSON or text of bounded size."""

import math
from collections.abc import Mapping
from typing import cast

from pydantic_monty import MontyClassProxy

from nexent_gql.kernel.json import Json

_MAX_DEPTH = 50
_JSON_INT = 2**63
_MAX_INT_BITS = 14_000  # Python refuses str() of more digits, and it is slow
_CUT = " ... (cut)"


class TooLargeError(Exception):
    """The value exceeds the size limit."""


def to_json(value: object, max_chars: int) -> Json:
    """Return `value` as JSON: sequences and sets as lists, other types as text.

    Raises:
        TooLargeError: The value is longer than about `max_chars`, or too deeply nested.
    """
    return _Json(max_chars).convert(value, 0)


def readable(value: object, max_chars: int) -> str:
    """Return `value` as `repr` would, but a string unquoted; cut at `max_chars`."""
    if isinstance(value, str):
        return value if len(value) <= max_chars else value[:max_chars] + _CUT
    text = _Text(max_chars)
    try:
        text.write(value, 0)
    except TooLargeError:
        return "".join(text.parts) + _CUT
    return "".join(text.parts)


class _Json:
    """Converts one value; shared parts count each time they occur."""

    def __init__(self, remaining_chars: int) -> None:
        self._remaining_chars = remaining_chars

    def convert(self, value: object, depth: int) -> Json:
        self._charge(len(value) if isinstance(value, str) else 1, depth)
        if isinstance(value, Mapping):
            items = cast("Mapping[object, object]", value).items()
            return {self._key(key, depth): self.convert(item, depth + 1) for key, item in items}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.convert(item, depth + 1) for item in cast("list[object]", value)]
        return self._scalar(value)

    def _scalar(self, value: object) -> Json:
        if value is None or isinstance(value, bool | str):
            return value
        if isinstance(value, int) and -_JSON_INT <= value < _JSON_INT:
            return value
        if isinstance(value, float) and math.isfinite(value):
            return value
        return self._text(value)

    def _key(self, key: object, depth: int) -> str:
        self._charge(len(key) if isinstance(key, str) else 1, depth)
        return key if isinstance(key, str) else self._text(key)

    def _text(self, value: object) -> str:
        text = readable(value, self._remaining_chars)
        self._charge(len(text), 0)
        return text

    def _charge(self, chars: int, depth: int) -> None:
        self._remaining_chars -= chars
        if self._remaining_chars < 0 or depth > _MAX_DEPTH:
            raise TooLargeError


class _Text:
    """Writes one value as Python would, up to the size limit."""

    def __init__(self, remaining_chars: int) -> None:
        self.parts: list[str] = []
        self._remaining_chars = remaining_chars

    def write(self, value: object, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise TooLargeError
        if isinstance(value, dict):
            self._dict(cast("dict[object, object]", value), depth)
        elif isinstance(value, list):
            self._items("[", cast("list[object]", value), "]", depth)
        elif isinstance(value, tuple):
            items = cast("tuple[object, ...]", value)
            self._items("(", items, ",)" if len(items) == 1 else ")", depth)
        elif isinstance(value, set | frozenset):
            items = cast("set[object]", value)
            self._items("{" if items else "set(", items, "}" if items else ")", depth)
        elif isinstance(value, MontyClassProxy):
            self._put(value.name)
            self._dict(cast("dict[object, object]", value.attributes), depth)
        else:
            self._put(self._atom(value))

    def _atom(self, value: object) -> str:
        if isinstance(value, str | bytes):
            return repr(value[: self._remaining_chars + 1])
        if isinstance(value, int) and value.bit_length() > _MAX_INT_BITS:
            return f"<an integer of {value.bit_length()} bits>"
        return repr(value)

    def _dict(self, value: dict[object, object], depth: int) -> None:
        self._put("{")
        for number, (key, item) in enumerate(value.items()):
            self._put(", " if number else "")
            self.write(key, depth + 1)
            self._put(": ")
            self.write(item, depth + 1)
        self._put("}")

    def _items(
        self, begin: str, items: "list[object] | tuple[object, ...] | set[object]", end: str, depth: int
    ) -> None:
        self._put(begin)
        for number, item in enumerate(items):
            self._put(", " if number else "")
            self.write(item, depth + 1)
        self._put(end)

    def _put(self, text: str) -> None:
        if len(text) > self._remaining_chars:
            self.parts.append(text[: self._remaining_chars])
            raise TooLargeError
        self._remaining_chars -= len(text)
        self.parts.append(text)
