"""What a scripted provider can do in one answer: plain values, in Python and as JSON under the same names."""

from dataclasses import field
from typing import Annotated, Literal

from pydantic import Field, JsonValue, TypeAdapter
from pydantic.dataclasses import dataclass


@dataclass(frozen=True)
class Text:
    """Text in pieces of about a token; `tokens` generates that many numbered ones instead.

    `tokens_per_s` 0 sends without pause; `stamp` puts the time of sending (Unix seconds) into each piece, as
    `number@time `.
    """

    text: str = ""
    tokens_per_s: float = 0
    tokens: int = 0
    stamp: bool = False
    whole: bool = False
    do: Literal["text"] = "text"


@dataclass(frozen=True)
class Reasoning:
    """Visible reasoning, under the field name that the vendor uses."""

    text: str
    tokens_per_s: float = 0
    field: Literal["reasoning_content", "reasoning"] = "reasoning_content"
    do: Literal["reasoning"] = "reasoning"


@dataclass(frozen=True)
class Tool:
    """A call, its arguments in `fragments` pieces; None for `id` or `index` leaves the field out.

    Calls of one turn are numbered in order unless `index` is given; -1 means "number it".
    """

    name: str
    arguments: dict[str, JsonValue] | str = field(default_factory=dict[str, JsonValue])
    id: str | None = ""
    index: int | None = -1
    fragments: int = 3
    tokens_per_s: float = 0
    do: Literal["tool"] = "tool"


@dataclass(frozen=True)
class Usage:
    """The token counts to report instead of counted ones; `never` leaves the usage frame out."""

    input: int = 0
    output: int = 0
    cached: int = 0
    reasoning: int = 0
    never: bool = False
    do: Literal["usage"] = "usage"


@dataclass(frozen=True)
class Finish:
    """How the answer ends: the finish reason (None: not told), and whether `[DONE]` follows."""

    reason: str | None = "stop"
    done: bool = True
    do: Literal["finish"] = "finish"


@dataclass(frozen=True)
class Stall:
    """Be silent for `seconds`; None: until the client goes away."""

    seconds: float | None = None
    times: int | None = field(default=None, kw_only=True)
    do: Literal["stall"] = "stall"


@dataclass(frozen=True)
class Drop:
    """Cut the connection: by a reset, or by closing it in the middle of the body."""

    how: Literal["reset", "close"] = "reset"
    times: int | None = field(default=None, kw_only=True)
    do: Literal["drop"] = "drop"


@dataclass(frozen=True)
class Status:
    """Refuse with an HTTP status; only as the first step.

    `times` limits it to the first so many requests that come to it, so that a retry gets the rest of the turn.
    """

    status: int
    message: str = "refused by the script"
    code: str | None = None
    retry_after: str | None = None
    body: str | None = None
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict[str, str])
    times: int | None = field(default=None, kw_only=True)
    do: Literal["status"] = "status"


@dataclass(frozen=True)
class ErrorFrame:
    """An error told inside the stream."""

    message: str = "the model crashed"
    code: str | int | None = None
    type: str | None = None
    times: int | None = field(default=None, kw_only=True)
    do: Literal["error"] = "error"


@dataclass(frozen=True)
class Raw:
    """Bytes into the body as they are; `latin1` carries bytes that are no text."""

    text: str = ""
    latin1: str = ""
    do: Literal["raw"] = "raw"


@dataclass(frozen=True)
class Headers:
    """How the answer's head is sent: after `delay_s`, with which content type; only as the first step."""

    delay_s: float = 0
    content_type: str = "text/event-stream"
    headers: dict[str, str] = field(default_factory=dict[str, str])
    do: Literal["headers"] = "headers"


@dataclass(frozen=True)
class Refuse:
    """Answer 400 as real servers do when the request has the field `parameter`; else nothing."""

    parameter: str
    do: Literal["refuse"] = "refuse"


Step = Annotated[
    Text | Reasoning | Tool | Usage | Finish | Stall | Drop | Status | ErrorFrame | Raw | Headers | Refuse,
    Field(discriminator="do"),
]


@dataclass(frozen=True)
class Script:
    """The answers to one conversation, by turn.

    Chosen by what the last user message or the system text contains, else by the model's name. The turn is the number
    of assistant messages behind the last user message (`last_user`) or in the whole request (`history`): the script
    keeps no state, so a request repeated after a crash gets the same answer. A user message that starts with
    "Observation:" or "Error:" is taken for a tool's output, as code agents send it.
    """

    name: str
    turns: list[list[Step]]
    user_contains: str | None = None
    system_contains: str | None = None
    turn_by: Literal["last_user", "history"] = "last_user"


SCRIPT = TypeAdapter(Script)
