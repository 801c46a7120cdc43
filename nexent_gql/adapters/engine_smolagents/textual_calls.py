"""Calls that are not written as they should be: as text, or natively by an agent that writes code."""

import re
from collections.abc import Iterator

from nexent_gql.adapters.engine_smolagents.call_arguments import read_arguments
from nexent_gql.adapters.engine_smolagents.call_notations import NOTATIONS, Notation, Schemas, parse_bare_json
from nexent_gql.ports.llm import ToolCall

_FIRST_CHAR = re.compile(f"[{re.escape(''.join({notation.opening[0] for notation in NOTATIONS}))}]")
_MAX_OPENING_CHARS = max(len(notation.opening) for notation in NOTATIONS)
_JSON_CALL = re.compile(r'\s*(?:```(?:json)?\s*)?\[?\s*\{\s*"(?:name|function)"\s*:\s*"([^"]*)"')
_JSON_BEGINNING = re.compile(r'\s*(?:`{0,3}(?:j|js|jso|json)?\s*)?\[?\s*(?:\{\s*(?:"[a-z]{0,8}"?\s*:?\s*"?[\w.-]*)?)?')
_MAX_JSON_BEGINNING_CHARS = 100
_PYTHON = {"python", "python_interpreter", "code", "code_interpreter", "execute", "execute_code", "run_code", "ipython"}
_MAX_FALSE_OPENINGS = 100
"""After so many opening marks without a call, the rest of a message is text: each costs a look at all of the rest."""
_SOURCES = ("code", "source", "script", "input", "query")


class TextualCalls:
    """Takes calls out of a text that arrives in pieces, see `NOTATIONS`.

    What stands between marks and is no call stays text, and so do marks in code marks. A message that is nothing but
    JSON is a call if it names a tool.

    Args:
        schemas: The JSON Schemas of the tools' arguments, by name.

    Attributes:
        calls: The calls so far; they have no ids.
    """

    def __init__(self, schemas: Schemas | None = None) -> None:
        self.calls: list[ToolCall] = []
        self._schemas = schemas or {}
        self._buffer = ""
        self._pieces: list[str] = []
        self._awaited: str | None = None
        self._is_held = False
        self._end_of_pieces = ""
        self._false_openings = 0
        self._last = "\n"
        self._may_be_json = bool(self._schemas)

    def feed(self, text: str) -> str:
        """Return the text that is certainly none of a call."""
        if not self._buffer and not self._may_be_json and not _FIRST_CHAR.search(text):
            self._last = text[-1:] or self._last
            return text
        if self._is_waiting(text):
            return ""
        self._join()
        self._may_be_json = self._may_be_json and self._begins_like_json()
        if self._may_be_json:
            self._is_held = len(self._buffer) >= _MAX_JSON_BEGINNING_CHARS
            return ""
        return "".join(self._read(is_end=False))

    def finish(self) -> str:
        """Return what was held back for nothing; a call without its closing mark is a call."""
        self._join()
        if self._may_be_json and (calls := parse_bare_json(self._buffer, self._schemas)):
            self.calls += calls
            self._buffer = ""
        return "".join(self._read(is_end=True))

    def _is_waiting(self, text: str) -> bool:
        """Keep more text; return whether it changes nothing, because it lacks what is awaited."""
        self._pieces.append(text)
        if self._is_held or self._awaited is None:
            return self._is_held
        end = self._end_of_pieces + text
        self._end_of_pieces = end[-len(self._awaited) :]
        return self._awaited not in end

    def _await(self, notation: Notation) -> None:
        """Wait for the end of a call, which may be that of the message."""
        self._awaited, self._is_held = notation.closing, notation.closing is None
        self._end_of_pieces = self._buffer[-len(notation.closing or "") :]

    def _join(self) -> None:
        self._buffer = "".join([self._buffer, *self._pieces])
        self._pieces.clear()
        self._awaited, self._is_held = None, False

    def _begins_like_json(self) -> bool:
        beginning = self._buffer[:_MAX_JSON_BEGINNING_CHARS]
        match = _JSON_CALL.match(beginning)
        return match[1] in self._schemas if match else _JSON_BEGINNING.fullmatch(beginning) is not None

    def _read(self, *, is_end: bool) -> Iterator[str]:
        while self._buffer:
            notation, at = self._next_opening()
            if notation is None:
                keep = 0 if is_end else _overlap(self._buffer)
                yield self._take(len(self._buffer) - keep)
                return
            yield self._take(at)
            if self._last == "`":
                yield self._take(len(notation.opening))
                continue
            end = -1 if notation.closing is None else self._buffer.find(notation.closing)
            if end < 0 and not is_end:
                self._await(notation)
                return
            yield self._read_calls(notation, end)

    def _next_opening(self) -> tuple[Notation | None, int]:
        if self._false_openings >= _MAX_FALSE_OPENINGS:
            return None, -1
        places = [(at, notation) for notation in NOTATIONS if (at := self._buffer.find(notation.opening)) >= 0]
        at, notation = min(places, key=lambda place: place[0], default=(-1, None))
        return notation, at

    def _read_calls(self, notation: Notation, end: int) -> str:
        """Take the calls up to `end`, or all that is left."""
        inner_end = len(self._buffer) if end < 0 else end
        calls = list(notation.parse(self._buffer[len(notation.opening) : inner_end], self._schemas))
        if not calls:
            self._false_openings += 1
            return self._take(len(notation.opening))
        self.calls += calls
        self._take(inner_end + (0 if end < 0 else len(notation.closing or "")))
        return ""

    def _take(self, size: int) -> str:
        text, self._buffer = self._buffer[:size], self._buffer[size:]
        self._last = text[-1:] or self._last
        return text


def split_calls(text: str) -> tuple[str, list[ToolCall]]:
    """Return a whole message without the calls in it, and the calls."""
    reader = TextualCalls()
    return reader.feed(text) + reader.finish(), reader.calls


def _overlap(text: str) -> int:
    """Return how many characters at the end of `text` may begin an opening mark."""
    for size in range(min(len(text), _MAX_OPENING_CHARS - 1), 0, -1):
        if any(notation.opening.startswith(text[-size:]) for notation in NOTATIONS):
            return size
    return 0


def code_of_call(call: ToolCall) -> str:
    """Return the Python that a native call means."""
    arguments = read_arguments(call.arguments) or {}
    if call.name.lower() in _PYTHON or not call.name.isidentifier():
        sources = [arguments[name] for name in _SOURCES if isinstance(arguments.get(name), str)]
        sources += [value for value in arguments.values() if isinstance(value, str)]
        return str(sources[0]) if sources else call.arguments
    keywords = ", ".join(f"{name}={value!r}" for name, value in arguments.items() if name.isidentifier())
    call_text = f"{call.name}({keywords})"
    return call_text if call.name == "final_answer" else f"print({call_text})"
