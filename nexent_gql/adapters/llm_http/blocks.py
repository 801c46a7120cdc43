"""What the decoders of typed events share: bounded text, numbered calls, and items that wait for their place."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from nexent_gql.adapters.llm_http.errors import broken
from nexent_gql.adapters.llm_http.text import SurrogateJoiner, loads_tolerant
from nexent_gql.kernel.json import Json, JsonObject
from nexent_gql.ports.content import OpaquePart, Origin
from nexent_gql.ports.llm import (
    ChatChunk,
    Finished,
    ModelProtocolError,
    OpaqueChunk,
    ReasoningChunk,
    TextChunk,
    ToolCallChunk,
    Usage,
)

Reason = Literal["stop", "length", "tool_calls", "content_filter", "other"]


@dataclass(slots=True)
class CallState:
    """A call in the making; `index` counts the calls of the answer from 0."""

    index: int
    received: list[str] = field(default_factory=list[str])


class EventDecoder:
    """A decoder of events that say their type; dialects implement `read_event`.

    Events that are unknown or carry nothing are ignored and counted in `ignored`.

    Args:
        origin: Where opaque items come from.
        max_answer_chars: The most that text, reasoning and arguments may come to together.
    """

    is_settled = False

    def __init__(self, *, origin: Origin, max_answer_chars: int) -> None:
        self._origin = origin
        self._limit_chars = self._left_chars = max_answer_chars
        self._text, self._reasoning = SurrogateJoiner(), SurrogateJoiner()
        self._waiting: list[JsonObject] = []
        self._count = 0
        self.reason: Reason | None = None
        self.usage: Usage | None = None
        self.ignored = 0
        self.has_begun = False
        self.is_complete = False

    @property
    def has_reason(self) -> bool:
        return self.is_complete

    def read(self, frame: bytes) -> Sequence[ChatChunk]:
        """Read one frame.

        Raises:
            ModelProtocolError: It is not JSON, or the answer is too large.
            ModelError: The event reports an error.
        """
        data = frame.strip()
        if not data or data == b"[DONE]":
            return []
        try:
            event = loads_tolerant(data)
        except ValueError:
            raise ModelProtocolError(
                "The provider sent an event that is not JSON. Try again; if it stays, the server behind the base URL "
                "is broken or uses another protocol.",
                cause="BAD_FRAME",
            ) from None
        chunks = self.read_event(event) if isinstance(event, dict) else []
        self.has_begun = self.has_begun or any(not isinstance(chunk, ReasoningChunk) for chunk in chunks)
        self.ignored += not chunks
        return chunks

    def read_event(self, event: JsonObject) -> list[ChatChunk]:
        """Read one event; returns nothing for what is unknown."""
        raise NotImplementedError

    def finish(self) -> Sequence[ChatChunk]:
        """End the answer.

        Raises:
            ModelStreamBrokenError: The terminal event did not come.
        """
        if not self.is_complete:
            raise broken()
        chunks = [*self._place(None)]
        text, reasoning = self._text.finish(), self._reasoning.finish()
        chunks += [ReasoningChunk(reasoning)] if reasoning else []
        chunks += [TextChunk(text)] if text else []
        reason = self.reason or "stop"
        return [*chunks, Finished("tool_calls" if reason == "stop" and self._count else reason, self.usage)]

    def say(self, text: Json) -> list[ChatChunk]:
        """Return more of the answer; opaque items that waited belong ahead of it."""
        text = self._text.feed(self._spent(text))
        return [*self._place(None), TextChunk(text)] if text else []

    def think(self, text: Json) -> list[ChatChunk]:
        """Return more reasoning."""
        text = self._reasoning.feed(self._spent(text))
        return [ReasoningChunk(text)] if text else []

    def begin_call(self, id_: Json, name: Json, arguments: Json = "") -> tuple[CallState, list[ChatChunk]]:
        """Begin a call; opaque items that waited belong to it."""
        if not isinstance(name, str) or not name:
            raise ModelProtocolError("The model called a tool without naming it. Try again, or use another model.")
        call = CallState(self._count)
        self._count += 1
        chunks = self._place(call.index)
        text = self._spent(arguments)
        call.received.append(text)
        return call, [*chunks, ToolCallChunk(call.index, id_ if isinstance(id_, str) else "", name, text)]

    def add_arguments(self, call: CallState, fragment: Json) -> list[ChatChunk]:
        """Return more of a call's arguments."""
        text = self._spent(fragment)
        call.received.append(text)
        return [ToolCallChunk(call.index, arguments=text)] if text else []

    def end_call(self, call: CallState, arguments: Json) -> list[ChatChunk]:
        """Return what of the whole arguments has not come in fragments; none at all is an empty object."""
        if any(call.received):
            return []
        return self.add_arguments(call, arguments or "{}")

    def keep(self, item: JsonObject) -> None:
        """Keep an item that has to go back ahead of what follows it."""
        self._waiting.append(item)

    def _place(self, call_index: int | None) -> list[ChatChunk]:
        items, self._waiting = self._waiting, []
        kind = "item"
        return [OpaqueChunk(OpaquePart(self._origin, kind, item), call_index) for item in items]

    def _spent(self, text: Json) -> str:
        if not isinstance(text, str):
            return ""
        self._left_chars -= len(text)
        if self._left_chars < 0:
            raise ModelProtocolError(
                "The model's answer is larger than is accepted. Ask for a shorter one.",
                cause="ANSWER_TOO_LARGE",
                limit_chars=self._limit_chars,
            )
        return text


def count_of(value: Json, name: str) -> int:
    """Return a count that may be missing, null or nonsense."""
    number = value.get(name) if isinstance(value, dict) else None
    return number if isinstance(number, int) and number >= 0 else 0


def object_of(value: Json) -> JsonObject:
    """Return an object, an empty one for anything else."""
    return value if isinstance(value, dict) else {}
