"""What a run does, as types.

This is the hot path: an entry of the log is mapped by reading its body as it is, and fields are plain attributes.
"""

from collections.abc import Callable
from typing import NotRequired, Self, TypedDict, cast

import strawberry
from strawberry.scalars import JSON

from nexent_gql.api.conversations.parts import CitationMessagePart, MessagePart, NoticeMessagePart, message_parts
from nexent_gql.api.runs.event_base import STEP, CopiedFields, Place, RunEvent, event_time
from nexent_gql.api.runs.model_events import AnswerCached, ModelQueued, ModelSwitched
from nexent_gql.api.runs.values import COST_OF_RUN, Counts, RunFailure, RunStatus, TokenUsage
from nexent_gql.kernel.json import JsonObject
from nexent_gql.ports.content import decode_parts
from nexent_gql.ports.events import Entry


@strawberry.type(
    description="The next piece of an answer, to append to the text so far. The answer of the run has the "
    "`agentPath` `main`."
)
class TextDelta(RunEvent):
    text: str = strawberry.field(description="Text to append.")
    step: int = strawberry.field(description=STEP)


@strawberry.type(description="The next piece of the model's reasoning, if the provider returns it.")
class ReasoningDelta(RunEvent):
    text: str = strawberry.field(description="Text to append.")
    step: int = strawberry.field(description=STEP)


@strawberry.type(description="The next piece of the code that an agent of kind CODE writes.")
class CodeDelta(RunEvent):
    text: str = strawberry.field(description="Text to append.")
    step: int = strawberry.field(description=STEP)


@strawberry.type(description="A tool call started.")
class ToolCallStarted(CopiedFields, RunEvent):
    call_id: str = strawberry.field(
        description="ID of the call, unique in the run. The ToolOutput of the call has the same."
    )
    name: str = strawberry.field(description="Name of the tool.")
    arguments: JSON = strawberry.field(
        description="Arguments of the call, an object that conforms to the tool's `parameters`."
    )
    step: int = strawberry.field(description=STEP)


@strawberry.type(description="A tool call finished.")
class ToolOutput(CopiedFields, RunEvent):
    call_id: str = strawberry.field(description="ID of the call, as in its ToolCallStarted.")
    name: str = strawberry.field(description="Name of the tool.")
    output: str = strawberry.field(
        description="Output of the tool, as sent to the model, without the passages of PassagesRetrieved."
    )
    is_error: bool = strawberry.field(description="Whether the tool failed. If so, `output` has the reason.")
    duration_ms: int = strawberry.field(description="Duration in milliseconds.")
    step: int = strawberry.field(description=STEP)


class _Parts(TypedDict):
    call_id: str
    parts: list[JsonObject]
    step: int


@strawberry.type(description="A tool returned parts for the answer, such as citations. See `Message.parts`.")
class PartsAdded(RunEvent):
    call_id: str = strawberry.field(
        description="ID of the call, as in its ToolCallStarted. If another attempt repeats the call, its parts "
        "replace the earlier ones."
    )
    parts: list[MessagePart] = strawberry.field(
        description="The parts, at least one. `index` is the position in this event."
    )
    step: int = strawberry.field(description=STEP)

    @classmethod
    def of(cls, place: Place, body: _Parts) -> Self:
        parts = message_parts(decode_parts(body["parts"]))
        return cls(**place, call_id=body["call_id"], parts=parts, step=body["step"])


class _Passages(TypedDict):
    call_id: str
    passages: list[JsonObject]
    step: int


@strawberry.type(
    description="A tool found passages that the answer may cite. The `output` of its ToolOutput lacks them."
)
class PassagesRetrieved(RunEvent):
    call_id: str = strawberry.field(description="ID of the call, as in its ToolCallStarted.")
    passages: list[CitationMessagePart] = strawberry.field(
        description="The passages, at least one, without `quote`. `index` is the position in this event."
    )
    step: int = strawberry.field(description=STEP)

    @classmethod
    def of(cls, place: Place, body: _Passages) -> Self:
        return cls(**place, call_id=body["call_id"], passages=_citations(body["passages"]), step=body["step"])


class _Citation(TypedDict):
    citation: JsonObject
    step: int


@strawberry.type(
    description="The text so far cites a passage for the first time. Sent again if another attempt writes the text "
    "again. `Message.citations` has the citations of the finished answer."
)
class CitationAdded(RunEvent):
    citation: CitationMessagePart = strawberry.field(description="The passage, without `quote`. `index` is 0.")
    step: int = strawberry.field(description=STEP)

    @classmethod
    def of(cls, place: Place, body: _Citation) -> Self:
        return cls(**place, citation=_citations([body["citation"]])[0], step=body["step"])


def _citations(stored: list[JsonObject]) -> list[CitationMessagePart]:
    return cast("list[CitationMessagePart]", message_parts(decode_parts(stored)))


class _Notice(TypedDict):
    notice: JsonObject


@strawberry.type(
    description="The answer has a notice, such as an attachment that the model did not receive. The run continues."
)
class NoticeAdded(RunEvent):
    notice: NoticeMessagePart = strawberry.field(description="The notice. `index` is 0.")

    @classmethod
    def of(cls, place: Place, body: _Notice) -> Self:
        (notice,) = message_parts(decode_parts([body["notice"]]))
        return cls(**place, notice=cast("NoticeMessagePart", notice))


class _Step(TypedDict):
    step: int
    duration_ms: int
    error: str | None


@strawberry.type(description="A step finished and its result is stored. Later attempts do not repeat it.")
class StepFinished(RunEvent):
    step: int = strawberry.field(description="Number of the step, from 1.")
    duration_ms: int = strawberry.field(description="Duration in milliseconds.")
    error_message: str | None = strawberry.field(
        description="Error that was reported to the model; null if there was none. The run continues."
    )

    @classmethod
    def of(cls, place: Place, body: _Step) -> Self:
        return cls(**place, step=body["step"], duration_ms=body["duration_ms"], error_message=body["error"])


class _Usage(TypedDict):
    usage: Counts
    cost_usd: NotRequired[str | None]


@strawberry.type(description="The token usage of the run changed.")
class UsageUpdated(RunEvent):
    usage: TokenUsage = strawberry.field(description="Token usage of the whole run so far.")
    cost_usd: str | None = strawberry.field(default=None, description=f"Cost of the steps so far. {COST_OF_RUN}")

    @classmethod
    def of(cls, place: Place, body: _Usage) -> Self:
        return cls(**place, usage=TokenUsage.of(body["usage"]), cost_usd=body.get("cost_usd"))


@strawberry.type(
    description="An attempt started: the first one, or one after a failure of a worker. Also sent with the number of "
    "the current attempt when a model call restarts its answer."
)
class AttemptStarted(CopiedFields, RunEvent):
    attempt: int = strawberry.field(description="Number of the attempt, from 1.")
    text: str = strawberry.field(description="Text that replaces all text of the answer before this event.")


class _Ending(TypedDict):
    status: str
    error_code: str | None
    error_message: str | None
    retryable: bool
    provider_message: NotRequired[str | None]  # events of earlier releases lack it
    retry_after_s: NotRequired[float | None]
    cost_usd: NotRequired[str | None]
    model_name: NotRequired[str | None]
    unsupported_citations: NotRequired[int]
    usage: Counts


@strawberry.type(description="The run finished and its result is stored. This is the last event.")
class RunFinished(RunEvent):
    status: RunStatus = strawberry.field(description="Final status, which is SUCCEEDED, FAILED or STOPPED.")
    error: RunFailure | None = strawberry.field(description="Why the run failed; null unless its status is FAILED.")
    usage: TokenUsage = strawberry.field(description="Token usage of the whole run.")
    cost_usd: str | None = strawberry.field(default=None, description=f"Cost of all attempts. {COST_OF_RUN}")
    provider_model: str | None = strawberry.field(
        default=None,
        description="The provider's name of the model that answered last; null if none did.",
    )
    unsupported_citations: int = strawberry.field(
        default=0,
        description="How many labels such as `[7]` the answer has for which no passage was retrieved. They are no "
        "citations.",
    )

    @classmethod
    def of(cls, place: Place, body: _Ending) -> Self:
        return cls(
            **place,
            status=RunStatus(body["status"]),
            error=RunFailure.of(
                body["error_code"],
                body["error_message"],
                retryable=body["retryable"],
                provider_message=body.get("provider_message"),
                retry_after_s=body.get("retry_after_s"),
            ),
            usage=TokenUsage.of(body["usage"]),
            cost_usd=body.get("cost_usd"),
            provider_model=body.get("model_name"),
            unsupported_citations=body.get("unsupported_citations", 0),
        )


@strawberry.type(
    description="Stands for events that are no longer available. Read the text from the run's `message`. The "
    "events that follow are complete."
)
class StreamGap(CopiedFields, RunEvent):
    from_seq: int = strawberry.field(description="Sequence number of the first missing event.")
    to_seq: int = strawberry.field(
        description="Sequence number of the last missing event, which is also the `seq` of this event."
    )


DELTA_TYPES = (TextDelta, ReasoningDelta, CodeDelta)
OTHER_TYPES = (
    ToolCallStarted,
    ToolOutput,
    PartsAdded,
    PassagesRetrieved,
    CitationAdded,
    NoticeAdded,
    ModelQueued,
    ModelSwitched,
    AnswerCached,
    StepFinished,
    UsageUpdated,
    AttemptStarted,
    RunFinished,
    StreamGap,
)
EVENT_TYPES = (*DELTA_TYPES, *OTHER_TYPES)
_DELTAS = cast("dict[str, type[TextDelta]]", {cls.__name__: cls for cls in DELTA_TYPES})
_FROM_BODY = cast("dict[str, Callable[[Place, JsonObject], RunEvent]]", {cls.__name__: cls.of for cls in OTHER_TYPES})


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
    elif (of := _FROM_BODY.get(kind)) is not None:
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
    body: _Words = entry.body  # pyright: ignore[reportAssignmentType] - as `EventBody` says
    event = cls.__new__(cls)
    event.seq = seq = entry.seq
    event.cursor = f"{cursor_prefix}{seq}"
    event.at_ms = entry.at_ms
    event.agent_path = body["agent_path"]
    event.text = body["text"]
    event.step = body["step"]
    event.renderings = {}
    return event


def _place(cursor_prefix: str, entry: Entry) -> Place:
    seq = entry.seq
    agent_path = cast("str", entry.body["agent_path"])
    return Place(seq=seq, cursor=f"{cursor_prefix}{seq}", at=event_time(entry.at_ms), agent_path=agent_path)
