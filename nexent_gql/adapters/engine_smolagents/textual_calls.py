"""Calls that are not written as they should be: as text, or natively by an agent that writes code."""

from collections.abc import Iterator

from nexent_gql.kernel.json import Json, JsonObject, dumps, loads, loads_object
from nexent_gql.ports.llm import ToolCall

_OPEN, _CLOSE = "<tool_call>", "</tool_call>"
_PYTHON = {"python", "python_interpreter", "code", "code_interpreter", "execute", "execute_code", "run_code", "ipython"}
_SOURCES = ("code", "source", "script", "input", "query")


class TextualCalls:
    """Takes calls between `<tool_call>` marks out of a text that arrives in pieces.

    What stands between the marks and is no call stays text.

    Attributes:
        calls: The calls so far; they have no ids.
    """

    def __init__(self) -> None:
        self.calls: list[ToolCall] = []
        self._buffer = ""
        self._last = "\n"

    def feed(self, text: str) -> str:
        """Return the text that is certainly none of a call."""
        self._buffer += text
        free: list[str] = []
        while self._buffer:
            at = self._buffer.find(_OPEN)
            if at < 0:
                keep = next((n for n in range(len(_OPEN) - 1, 0, -1) if self._buffer.endswith(_OPEN[:n])), 0)
                free.append(self._take(len(self._buffer) - keep))
                break
            free.append(self._take(at))
            if self._last == "`":
                free.append(self._take(len(_OPEN)))
                continue
            end = self._buffer.find(_CLOSE)
            if end < 0:
                break
            free.append(self._read(end))
        return "".join(free)

    def finish(self) -> str:
        """Return what was held back for nothing; a call without its closing mark is a call."""
        text, self._buffer = self._buffer, ""
        if not text.startswith(_OPEN):
            return text
        calls = list(calls_in(text[len(_OPEN) :]))
        self.calls += calls
        return "" if calls else text

    def _take(self, size: int) -> str:
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        self._last = taken[-1:] or self._last
        return taken

    def _read(self, end: int) -> str:
        written = self._take(end + len(_CLOSE))
        calls = list(calls_in(written[len(_OPEN) : end]))
        self.calls += calls
        return "" if calls else written


def calls_in(text: str) -> Iterator[ToolCall]:
    """Yield the calls that stand in JSON: one object, or a list of them."""
    try:
        value = loads(text.strip())
    except ValueError:
        return
    for each in value if isinstance(value, list) else [value]:
        name = each.get("name") if isinstance(each, dict) else None
        if isinstance(each, dict) and isinstance(name, str) and name:
            arguments = each.get("arguments", each.get("parameters"))
            yield ToolCall("", name, _as_json(arguments))


def code_of_call(call: ToolCall) -> str:
    """Return the Python that a native call means."""
    arguments = _arguments(call)
    if call.name.lower() in _PYTHON or not call.name.isidentifier():
        sources = [arguments[name] for name in _SOURCES if isinstance(arguments.get(name), str)]
        sources += [value for value in arguments.values() if isinstance(value, str)]
        return str(sources[0]) if sources else call.arguments
    keywords = ", ".join(f"{name}={value!r}" for name, value in arguments.items() if name.isidentifier())
    called = f"{call.name}({keywords})"
    return called if call.name == "final_answer" else f"print({called})"


def _arguments(call: ToolCall) -> JsonObject:
    try:
        return loads_object(call.arguments or "{}")
    except ValueError:
        return {}


def _as_json(value: Json) -> str:
    if isinstance(value, str):
        return value
    return dumps({} if value is None else value).decode()
