"""The journal of an agent: the result of each effect, under a key that is the same in every attempt of the run.

Keys, for step `n` (from 1) of the agent at `path`:

- `path/n/model`: a finished model call
- `path/n/tool/i`: a finished tool call, `i` from 0 in the order of the message or of the code
- `path/n/python`: a finished snippet, whose tool calls have keys of their own
- `path/n/step`: the step itself

The events of an effect are emitted before its result is stored. An attempt that crashes in between leaves events
without a result: the next attempt does the effect again, and emits events of the same `call_id` again.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import cast

from nexent_gql.adapters.engine_smolagents.sources import Sources, recorded_sources
from nexent_gql.kernel.json import JsonObject
from nexent_gql.ports.content import OpaquePart, decode_parts, encode_parts
from nexent_gql.ports.engine import RunPort
from nexent_gql.ports.llm import ToolCall, Usage
from nexent_gql.streams.text import clean

MAIN = "main"
_ANSWER_KEY = re.compile(rf"{MAIN}/(\d+)/(model|python)")


@dataclass(frozen=True, slots=True)
class Generation:
    """A finished answer of the model.

    `visible_text` is the part that became answer text, separators included. `budget_tokens` is the size to which the
    messages were cut before the model accepted them; None: not cut. `opaque` are items that the provider needs back
    with the message. `cost_usd` is None where no price is known.
    """

    text: str
    calls: tuple[ToolCall, ...]
    reason: str
    usage: Usage | None
    visible_text: str
    budget_tokens: int | None = None
    opaque: tuple[OpaquePart, ...] = ()
    cost_usd: Decimal | None = None

    def to_json(self) -> JsonObject:
        """Encode it for the journal; `visible_text` is omitted if it equals `text`."""
        stored: JsonObject = {"text": self.text, "reason": self.reason}
        if self.calls:
            stored["calls"] = [_encode_call(call) for call in self.calls]
        if self.usage is not None:
            stored["usage"] = self.usage.to_json()
        if self.cost_usd is not None:
            stored["cost_usd"] = str(self.cost_usd)
        if self.opaque:
            stored["opaque"] = [*encode_parts(self.opaque)]
        if self.visible_text != self.text:
            stored["shown"] = self.visible_text
        if self.budget_tokens is not None:
            stored["budget_tokens"] = self.budget_tokens
        return stored

    @classmethod
    def of(cls, stored: JsonObject) -> "Generation":
        """Decode what `to_json` encoded."""
        calls = cast("list[JsonObject]", stored.get("calls", []))
        usage = cast("JsonObject | None", stored.get("usage"))
        cost_usd = cast("str | None", stored.get("cost_usd"))
        text = cast("str", stored["text"])
        return cls(
            text=text,
            calls=tuple(map(_decode_call, calls)),
            reason=cast("str", stored["reason"]),
            usage=Usage.from_json(usage) if usage is not None else None,
            cost_usd=Decimal(cost_usd) if cost_usd is not None else None,
            visible_text=cast("str", stored.get("shown", text)),
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


def recorded_text(journal: Mapping[str, JsonObject]) -> str:
    """Return the answer text that the finished effects of the main agent wrote, in order."""
    written: list[tuple[int, str, str]] = []
    for key, stored in journal.items():
        if match := _ANSWER_KEY.fullmatch(key):
            visible_text = stored.get("shown", stored.get("text", ""))
            written.append((int(match[1]), match[2], cast("str", visible_text)))
    return "".join(visible_text for _, _, visible_text in sorted(written))


def recorded_opaque(journal: Mapping[str, JsonObject]) -> tuple[OpaquePart, ...]:
    """Return the opaque items of the last message of the main agent, if that was text alone.

    A message with calls does not go to later turns, and neither do its items: providers refuse them without the calls.
    """
    steps = {int(match[1]): key for key in journal if (match := _ANSWER_KEY.fullmatch(key)) and match[2] == "model"}
    if not steps or f"{MAIN}/{max(steps)}/python" in journal:  # a message of code is no answer
        return ()
    generation = Generation.of(journal[steps[max(steps)]])
    return () if generation.calls or not generation.visible_text else generation.opaque


class Journal:
    """The journal of one agent of a run, and totals derived from it. On the event loop only.

    Attributes:
        path: The agent, as in events.
        usage: Tokens of all model calls so far.
        cost_usd: What those of them cost whose price is known; None: none has a price.
        answer_text: The answer text of finished effects.
        sources: Passages that the answer may cite.
    """

    def __init__(self, port: RunPort, path: str = MAIN) -> None:
        self.port = port
        self.path = path
        self.usage = Usage()
        self.cost_usd: Decimal | None = None
        self.answer_text = ""
        self.sources = Sources(recorded_sources(port.journal))

    def usage_with(self, usage: Usage, cost_usd: Decimal | None) -> tuple[Usage, Decimal | None]:
        """Return the totals with another call."""
        return self.usage + usage, add_costs(self.cost_usd, cost_usd)

    def add_usage(self, usage: Usage, cost_usd: Decimal | None) -> None:
        self.usage, self.cost_usd = self.usage_with(usage, cost_usd)

    def key(self, step: int, *what: str) -> str:
        """Return the key of an effect."""
        return "/".join((self.path, str(step), *what))

    async def once(self, key: str, effect: Callable[[], Awaitable[JsonObject]]) -> JsonObject:
        """Return the result of an effect, executing it if no attempt has; text that can't be stored is replaced."""

        async def storable() -> JsonObject:
            return cast("JsonObject", clean(await effect()))

        return await self.port.once(key, storable)


def add_costs(*costs: Decimal | None) -> Decimal | None:
    """Return the sum of the costs that are known; None when none is."""
    amounts = [cost for cost in costs if cost is not None]
    return sum(amounts, Decimal()) if amounts else None
