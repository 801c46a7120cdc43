"""What a run does, as types.

This is the hot path: an entry of the log is mapped by reading its body as it is, and fields are plain attributes.
"""

from collections.abc import Callable
from dataclasses import field
from datetime import UTC, datetime
from functools import cached_property
from typing import NotRequired, Self, TypedDict, cast

import strawberry
from strawberry.scalars import JSON

from nexent_gql.api.conversations.parts import MessagePart, message_parts
from nexent_gql.api.encoding import Rendered
from nexent_gql.api.runs.values import Counts, RunFailure, RunStatus, TokenUsage
from nexent_gql.api.selections.events import SharedEvent, no_renderings
from nexent_gql.api.selections.plain import ToldByClass
from nexent_gql.kernel.json import JsonObject
from nexent_gql.ports.content import decode_parts
from nexent_gql.ports.events import Entry

_STEP = "The agent's step it belongs to, from 1; 0 outside of steps."


class Place(TypedDict):
    """What all events have."""

    seq: int
    cursor: str
    at: datetime
    agent_path: str


class _Timed:
    """Makes the `at` that an event was not given when somebody asks for it: it costs as much as all other fields."""

    at_ms: int

    @cached_property
    def at(self) -> datetime:
        """When it happened."""
        return _moment(self.at_ms)


def _moment(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)


@strawberry.interface(description="Something that a run did. More kinds may be added.")
class RunEvent(ToldByClass, SharedEvent, _Timed):
    """See `ports.run_events.EventBody`."""

    seq: int = strawberry.field(description="Counts the run's events from 1, without gaps.")
    cursor: str = strawberry.field(description="Pass it as `after` to get what comes behind this event.")
    at: datetime = strawberry.field(  # pyright: ignore[reportIncompatibleVariableOverride] - where it is not given
        description="When it happened."
    )
    agent_path: str = strawberry.field(
        description="Who did it: `main`, or the way to a sub-agent, such as `main/researcher`."
    )
    renderings: strawberry.Private[dict[object, Rendered]] = field(
        default_factory=no_renderings, init=False, compare=False, repr=False
    )


@strawberry.type(description="More of the answer: append it. With `main` as `agentPath` it is the run's own answer.")
class TextDelta(RunEvent):
    """See `run_events.TextDelta`."""

    text: str = strawberry.field(description="The next characters.")
    step: int = strawberry.field(description=_STEP)


@strawberry.type(description="More of what the model thinks, where the provider shows it.")
class ReasoningDelta(RunEvent):
    """See `run_events.ReasoningDelta`."""

    text: str = strawberry.field(description="The next characters.")
    step: int = strawberry.field(description=_STEP)


@strawberry.type(description="More of the code that an agent of kind CODE writes.")
class CodeDelta(RunEvent):
    """See `run_events.CodeDelta`."""

    text: str = strawberry.field(description="The next characters.")
    step: int = strawberry.field(description=_STEP)


class _Call(TypedDict):
    call_id: str
    name: str
    arguments: JSON
    step: int


@strawberry.type(description="A tool begins.")
class ToolCallStarted(RunEvent):
    """See `run_events.ToolCallStarted`."""

    call_id: str = strawberry.field(description="Joins it to its ToolOutput; unique within the run.")
    name: str = strawberry.field(description="The tool's name.")
    arguments: JSON = strawberry.field(description="An object that the tool's own schema describes.")
    step: int = strawberry.field(description=_STEP)

    @classmethod
    def of(cls, place: Place, given: _Call) -> Self:
        """Map a body."""
        return cls(
            **place,
            call_id=given["call_id"],
            name=given["name"],
            arguments=given["arguments"],
            step=given["step"],
        )


class _Output(TypedDict):
    call_id: str
    name: str
    output: str
    is_error: bool
    duration_ms: int
    step: int


@strawberry.type(description="A tool has ended.")
class ToolOutput(RunEvent):
    """See `run_events.ToolOutput`."""

    call_id: str = strawberry.field(description="Joins it to its ToolCallStarted.")
    name: str = strawberry.field(description="The tool's name.")
    output: str = strawberry.field(description="What the model gets to read.")
    is_error: bool = strawberry.field(description="Whether the tool failed; `output` then says why.")
    duration_ms: int = strawberry.field(description="How long it took, in milliseconds.")
    step: int = strawberry.field(description=_STEP)

    @classmethod
    def of(cls, place: Place, given: _Output) -> Self:
        """Map a body."""
        return cls(
            **place,
            call_id=given["call_id"],
            name=given["name"],
            output=given["output"],
            is_error=given["is_error"],
            duration_ms=given["duration_ms"],
            step=given["step"],
        )


class _Parts(TypedDict):
    call_id: str
    parts: list[JsonObject]
    step: int


@strawberry.type(description="A tool gave parts that stand with the answer, such as citations; see `Message.parts`.")
class PartsAdded(RunEvent):
    """See `run_events.PartsAdded`."""

    call_id: str = strawberry.field(
        description="Joins it to its ToolCallStarted. When another attempt repeats the call, these replace the earlier."
    )
    parts: list[MessagePart] = strawberry.field(description="At least one; `index` counts within this event.")
    step: int = strawberry.field(description=_STEP)

    @classmethod
    def of(cls, place: Place, given: _Parts) -> Self:
        """Map a body."""
        parts = message_parts(decode_parts(given["parts"]))
        return cls(**place, call_id=given["call_id"], parts=parts, step=given["step"])


class _Step(TypedDict):
    step: int
    duration_ms: int
    error: str | None


@strawberry.type(description="A step is complete and kept: it is not done again, whatever happens to the worker.")
class StepFinished(RunEvent):
    """See `run_events.StepFinished`."""

    step: int = strawberry.field(description="Which one, from 1.")
    duration_ms: int = strawberry.field(description="How long it took, in milliseconds.")
    error_message: str | None = strawberry.field(
        description="What the model was told went wrong; null when nothing did. The run goes on."
    )

    @classmethod
    def of(cls, place: Place, given: _Step) -> Self:
        """Map a body."""
        return cls(**place, step=given["step"], duration_ms=given["duration_ms"], error_message=given["error"])


class _Usage(TypedDict):
    usage: Counts


@strawberry.type(description="The run took more tokens.")
class UsageUpdated(RunEvent):
    """See `run_events.UsageUpdated`."""

    usage: TokenUsage = strawberry.field(description="Of the whole run so far.")

    @classmethod
    def of(cls, place: Place, given: _Usage) -> Self:
        """Map a body."""
        return cls(**place, usage=TokenUsage.of(given["usage"]))


class _Attempt(TypedDict):
    attempt: int
    text: str


@strawberry.type(description="A worker took the run over: the first, or another one after a crash.")
class AttemptStarted(RunEvent):
    """See `run_events.AttemptStarted`."""

    attempt: int = strawberry.field(description="Counts workers from 1.")
    text: str = strawberry.field(description="Replaces all of the answer's text before this event.")

    @classmethod
    def of(cls, place: Place, given: _Attempt) -> Self:
        """Map a body."""
        return cls(**place, attempt=given["attempt"], text=given["text"])


class _Ending(TypedDict):
    status: str
    error_code: str | None
    error_message: str | None
    retryable: bool
    provider_message: NotRequired[str | None]  # events of earlier releases lack it
    retry_after_s: NotRequired[float | None]
    usage: Counts


@strawberry.type(description="The run has ended, and everything about it is kept; nothing comes behind this.")
class RunFinished(RunEvent):
    """See `run_events.RunFinished`."""

    status: RunStatus = strawberry.field(description="SUCCEEDED, FAILED or STOPPED.")
    error: RunFailure | None = strawberry.field(description="Why it failed; null unless it did.")
    usage: TokenUsage = strawberry.field(description="Of the whole run.")

    @classmethod
    def of(cls, place: Place, given: _Ending) -> Self:
        """Map a body."""
        return cls(
            **place,
            status=RunStatus(given["status"]),
            error=RunFailure.of(
                given["error_code"],
                given["error_message"],
                retryable=given["retryable"],
                provider_message=given.get("provider_message"),
                retry_after_s=given.get("retry_after_s"),
            ),
            usage=TokenUsage.of(given["usage"]),
        )


class _Gap(TypedDict):
    from_seq: int
    to_seq: int


@strawberry.type(
    description="Events that can no longer be had. Read the run's `message` for the text; what follows is whole again."
)
class StreamGap(RunEvent):
    """See `run_events.StreamGap`."""

    from_seq: int = strawberry.field(description="The first event that is missing.")
    to_seq: int = strawberry.field(description="The last event that is missing; also this event's `seq`.")

    @classmethod
    def of(cls, place: Place, given: _Gap) -> Self:
        """Map a body."""
        return cls(**place, from_seq=given["from_seq"], to_seq=given["to_seq"])


_DELTAS = cast("dict[str, type[TextDelta]]", {cls.__name__: cls for cls in (TextDelta, ReasoningDelta, CodeDelta)})
_OTHERS = (ToolCallStarted, ToolOutput, PartsAdded, StepFinished, UsageUpdated, AttemptStarted, RunFinished, StreamGap)
EVENT_TYPES = (*_DELTAS.values(), *_OTHERS)
_MAKERS = cast("dict[object, Callable[[Place, JsonObject], RunEvent]]", {cls.__name__: cls.of for cls in _OTHERS})


def run_event(cursor_prefix: str, entry: Entry) -> RunEvent | None:
    """Map an entry of a run's log, once for all viewers; None for a kind that only a newer release knows.

    Args:
        cursor_prefix: What the run's cursors begin with.
        entry: What the run did.
    """
    if isinstance(event := entry.view, RunEvent):
        return event
    kind: str = entry.body["kind"]  # pyright: ignore[reportAssignmentType] - text, as `EventBody` says
    if (cls := _DELTAS.get(kind)) is not None:
        entry.view = event = _delta(cls, cursor_prefix, entry)
    elif (of := _MAKERS.get(kind)) is not None:
        entry.view = event = of(_place(cursor_prefix, entry), entry.body)
    else:
        return None
    return event


class _Words(TypedDict):
    agent_path: str
    text: str
    step: int


def _delta(cls: type[TextDelta], cursor_prefix: str, entry: Entry) -> RunEvent:
    """Make an event without its constructor, which costs twice as much: nearly all events are deltas."""
    given: _Words = entry.body  # pyright: ignore[reportAssignmentType] - as `EventBody` says
    event = cls.__new__(cls)
    event.seq = seq = entry.seq
    event.cursor = f"{cursor_prefix}{seq}"
    event.at_ms = entry.at_ms
    event.agent_path = given["agent_path"]
    event.text = given["text"]
    event.step = given["step"]
    event.renderings = {}
    return event


def _place(cursor_prefix: str, entry: Entry) -> Place:
    seq = entry.seq
    agent_path = cast("str", entry.body["agent_path"])
    return Place(seq=seq, cursor=f"{cursor_prefix}{seq}", at=_moment(entry.at_ms), agent_path=agent_path)
