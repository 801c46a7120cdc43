"""Reads the text of one argument while the JSON that carries it still arrives, cut anywhere."""

import json
from collections.abc import Generator

from nexent_gql.kernel.json import Json, loads

_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_UNICODE = "u"
_HEX_DIGITS = 4
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class AnswerArgument:
    """Gives the string under the key `name` of a JSON object piece by piece, as soon as each piece is certain.

    A value that is no string, or that stands elsewhere, is given by `finish` as JSON text.
    """

    def __init__(self, name: str = "answer") -> None:
        self._name = name
        self._fragments: list[str] = []
        self._out: list[str] = []
        self._is_found = False
        self._machine = self._read()
        next(self._machine)

    def feed(self, fragment: str) -> str:
        """Take more of the JSON and return more of the text."""
        self._fragments.append(fragment)
        for char in fragment:
            self._machine.send(char)
        return self._taken()

    def finish(self) -> str:
        """Return what is left: the whole value where it did not arrive as text."""
        if self._is_found:
            return ""
        source = "".join(self._fragments)
        try:
            value = loads(source)
        except ValueError:
            return source
        if isinstance(value, dict):
            value = value.get(self._name, next(iter(value.values())) if len(value) == 1 else value)
        return as_text(value)

    def _taken(self) -> str:
        text = "".join(self._out)
        self._out.clear()
        return text

    def _read(self) -> Generator[None, str, None]:
        """Walk through the object; each character is sent in."""
        char = yield from self._skip_space()
        if char != "{":
            yield from _ignore()
        while True:
            key = yield from self._key()
            char = yield from self._skip_space()
            if key == self._name and char == '"':
                self._is_found = True
                yield from self._string(self._out)
                yield from _ignore()
            yield from self._skip_value(char)

    def _skip_space(self) -> Generator[None, str, str]:
        char = yield
        while char.isspace():
            char = yield
        return char

    def _key(self) -> Generator[None, str, str]:
        """Return the next key of the object, with the colon behind it."""
        char = yield
        while char != '"':
            char = yield
        key: list[str] = []
        yield from self._string(key)
        while (yield) != ":":
            pass
        return "".join(key)

    def _skip_value(self, char: str) -> Generator[None, str, None]:
        """Read a value that is not wanted, with the comma behind it."""
        depth = 0
        while depth or char != ",":
            if char == '"':
                yield from self._string([])
            depth += (char in "{[") - (char in "}]")
            char = yield

    def _string(self, out: list[str]) -> Generator[None, str, None]:
        """Read a string behind its first quote; a surrogate waits for its other half."""
        high = ""
        while (char := (yield)) != '"':
            text = (yield from _escaped()) if char == "\\" else char
            if high:
                out.append(_joined(high, text))
                text, high = (text if not _is_low(text) else ""), ""
            if _is_high(text):
                high = text
            elif text:
                out.append(_REPLACEMENT if _is_low(text) else text)
        if high:
            out.append(_REPLACEMENT)


def as_text(value: Json) -> str:
    """Return an answer as text: a string as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _ignore() -> Generator[None, str, None]:
    while True:
        yield


def _escaped() -> Generator[None, str, str]:
    char = yield
    if char != _UNICODE:
        return _ESCAPES.get(char, char)
    digits = ""
    while len(digits) < _HEX_DIGITS:
        digits += yield
    try:
        return chr(int(digits, 16))
    except ValueError:
        return _REPLACEMENT


def _joined(high: str, low: str) -> str:
    if not _is_low(low):
        return _REPLACEMENT
    return (high + low).encode("utf-16", "surrogatepass").decode("utf-16")


def _is_high(char: str) -> bool:
    return "\ud800" <= char <= "\udbff"


def _is_low(char: str) -> bool:
    return "\udc00" <= char <= "\udfff"
