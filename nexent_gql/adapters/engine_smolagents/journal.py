"""What an agent has done, as it is kept: a result for each effect, under a key that the same run always finds again.

Keys, for step number `n` of the agent at `path`, from 1:

- `path/n/model`: a finished model call
- `path/n/tool/i`: a finished tool call, `i` from 0 in the order of the message or of the code
- `path/n/python`: a finished snippet, whose tool calls have keys of their own
- `path/n/step`: the step itself

The events of an effect are emitted before its result is stored. An attempt that dies in between leaves events
without a result: the next attempt does the effect again, and emits events of the same `call_id` again.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from typing import cast

from nexent_gql.kernel.json import JsonObject
from nexent_gql.ports.content import OpaquePart, decode_parts, encode_parts
from nexent_gql.ports.engine import RunPort
from nexent_gql.ports.llm import ToolCall, Usage
from nexent_gql.streams.text import clean

MAIN = "main"
_SPEAKS = re.compile(rf"{MAIN}/(\d+)/(model|python)")


@dataclass(frozen=True, slots=True)
class Generation:
    """A finished answer of the model; `shown` is what of it became answer text, separators included.

    `budget_tokens` is what the messages had to be cut to before the model took them; None: they were not cut.
    `opaque` are items that the provider wants back with the message.
    """

    text: str
    calls: tuple[ToolCall, ...]
    reason: str
    usage: Usage | None
    shown: str
    budget_tokens: int | None = None
    opaque: tuple[OpaquePart, ...] = ()

    def to_json(self) -> JsonObject:
        """Return it as it is stored; `shown` is left out where it is the text."""
        stored: JsonObject = {"text": self.text, "reason": self.reason}
        if self.calls:
            stored["calls"] = [_encode_call(call) for call in self.calls]
        if self.usage is not None:
            stored["usage"] = cast("JsonObject", asdict(self.usage))
        if self.opaque:
            stored["opaque"] = [*encode_parts(self.opaque)]
        if self.shown != self.text:
            stored["shown"] = self.shown
        if self.budget_tokens is not None:
            stored["budget_tokens"] = self.budget_tokens
        return stored

    @classmethod
    def of(cls, stored: JsonObject) -> "Generation":
        """Read back what `to_json` wrote."""
        calls = cast("list[JsonObject]", stored.get("calls", []))
        usage = cast("dict[str, int] | None", stored.get("usage"))
        text = cast("str", stored["text"])
        return cls(
            text=text,
            calls=tuple(map(_decode_call, calls)),
            reason=cast("str", stored["reason"]),
            usage=Usage(**usage) if usage is not None else None,
            shown=cast("str", stored.get("shown", text)),
            budget_tokens=cast("int | None", stored.get("budget_tokens")),
            opaque=_decode_opaque(stored),
        )


def _encode_call(call: ToolCall) -> JsonObject:
    stored: JsonObject = {"id": call.id, "name": call.name, "arguments": call.arguments}
    if call.opaque:
        stored["opaque"] = [*encode_parts(call.opaque)]
    return stored


def _decode_call(stored: JsonObject) -> ToolCall:
    return ToolCall(str(stored["id"]), str(stored["name"]), str(stored["arguments"]), _decode_opaque(stored))


def _decode_opaque(stored: JsonObject) -> tuple[OpaquePart, ...]:
    return tuple([part for part in decode_parts(stored.get("opaque")) if isinstance(part, OpaquePart)])


def kept_text(journal: Mapping[str, JsonObject]) -> str:
    """Return the answer text that the finished effects of the main agent made, in the order in which it was said."""
    spoken: list[tuple[int, str, str]] = []
    for key, stored in journal.items():
        if match := _SPEAKS.fullmatch(key):
            shown = stored.get("shown", stored.get("text", ""))
            spoken.append((int(match[1]), match[2], cast("str", shown)))
    return "".join(shown for _, _, shown in sorted(spoken))


class Journal:
    """The journal of one agent of a run, and what is known from it so far. On the event loop only.

    Attributes:
        path: The agent, as in events.
        usage: Tokens of all model calls so far.
        has_spoken: Whether there is answer text already.
    """

    def __init__(self, port: RunPort, path: str = MAIN) -> None:
        self.port = port
        self.path = path
        self.usage = Usage()
        self.has_spoken = False

    def key(self, step: int, *what: str) -> str:
        """Return the key of an effect."""
        return "/".join((self.path, str(step), *what))

    async def once(self, key: str, effect: Callable[[], Awaitable[JsonObject]]) -> JsonObject:
        """Return the result of an effect, doing it if no attempt has; text that can't be stored is replaced."""

        async def storable() -> JsonObject:
            return cast("JsonObject", clean(await effect()))

        return await self.port.once(key, storable)
