"""What happens in a run, as values: the vocabulary of engine, event log and API.

A run's text is the concatenation of its `TextDelta`s, except that `AttemptStarted.text` replaces all
text before it: an attempt that takes over from a dead worker states which text is still valid, and so does a model call
that restarts its answer.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from typing import ClassVar, cast, get_args

from nexent_gql.kernel.json import JsonObject
from nexent_gql.ports.llm import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class EventBody:
    """Common to all: the agent ("main", later "main/helper") and its step, from 1 (0: none)."""

    kind: ClassVar[str]
    agent_path: str = "main"
    step: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptStarted(EventBody):
    """A worker took the run over, or a model call restarted its answer; `text` replaces all earlier answer text."""

    kind = "AttemptStarted"
    attempt: int
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta(EventBody):
    """More of the answer."""

    kind = "TextDelta"
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningDelta(EventBody):
    """More of the model's visible reasoning."""

    kind = "ReasoningDelta"
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeDelta(EventBody):
    """More of the code that a CODE agent writes."""

    kind = "CodeDelta"
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallStarted(EventBody):
    """A tool begins; `call_id` is unique within the run and joins it to its `ToolOutput`."""

    kind = "ToolCallStarted"
    call_id: str
    name: str
    arguments: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOutput(EventBody):
    """A tool ended; `output` is what the model gets to read."""

    kind = "ToolOutput"
    call_id: str
    name: str
    output: str
    is_error: bool = False
    duration_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PartsAdded(EventBody):
    """A tool gave parts that stand with the answer; replaces what the same call gave in an earlier attempt."""

    kind = "PartsAdded"
    call_id: str
    parts: list[JsonObject]


@dataclass(frozen=True, slots=True, kw_only=True)
class PassagesRetrieved(EventBody):
    """A tool found passages that the answer may cite: `CitationPart`s in their JSON form, without quotes.

    Quotes stay out of events: whether their reader may see them is decided when they are read.
    """

    kind = "PassagesRetrieved"
    call_id: str
    passages: list[JsonObject]


@dataclass(frozen=True, slots=True, kw_only=True)
class CitationAdded(EventBody):
    """The answer cites a passage for the first time; `citation` is a `CitationPart` without its quote."""

    kind = "CitationAdded"
    citation: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeAdded(EventBody):
    """Readers of the answer should know something; `notice` is a `NoticePart` in its JSON form."""

    kind = "NoticeAdded"
    notice: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelQueued(EventBody):
    """A model call waits, because all deployments are at their limits; `position` counts from 1."""

    kind = "ModelQueued"
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSwitched(EventBody):
    """A model failed within its answer, and another one goes on; `reason` is the code of the failure.

    Where `keeps_answer` is false, the answer of the step restarts: an `AttemptStarted` with the valid text follows.
    """

    kind = "ModelSwitched"
    from_model: str
    to_model: str
    reason: str
    keeps_answer: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerCached(EventBody):
    """The answer of this step comes from the cache and costs nothing; `model` gave it before."""

    kind = "AnswerCached"
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFinished(EventBody):
    """A step is complete and durable: it is never done again. `error` is what the model is told went wrong."""

    kind = "StepFinished"
    duration_ms: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageUpdated(EventBody):
    """Tokens of the whole run so far, and what they cost in US dollars; None: no price is known."""

    kind = "UsageUpdated"
    usage: Usage
    cost_usd: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(EventBody):
    """The last event; `status` is SUCCEEDED, FAILED or STOPPED, `error_*` are set when FAILED.

    `provider_message` is the provider's message about the failure, `retry_after_s` the delay that it asks for.
    `cost_usd` is that of all calls, None when no price is known; `model_name` is the provider's name of the model that
    answered last. `unsupported_citations` counts labels in the answer that stand for no passage which was retrieved.
    """

    kind = "RunFinished"
    status: str
    error_code: str | None = None
    error_message: str | None = None
    retryable: bool = False
    provider_message: str | None = None
    retry_after_s: float | None = None
    usage: Usage = field(default_factory=Usage)
    cost_usd: str | None = None
    model_name: str | None = None
    unsupported_citations: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamGap(EventBody):
    """Events `from_seq` to `to_seq`, both included, can no longer be had."""

    kind = "StreamGap"
    from_seq: int
    to_seq: int


RunEventBody = (
    AttemptStarted
    | TextDelta
    | ReasoningDelta
    | CodeDelta
    | ToolCallStarted
    | ToolOutput
    | PartsAdded
    | PassagesRetrieved
    | CitationAdded
    | NoticeAdded
    | ModelQueued
    | ModelSwitched
    | AnswerCached
    | StepFinished
    | UsageUpdated
    | RunFinished
    | StreamGap
)

_KINDS = {cls.kind: cls for cls in cast("tuple[type[RunEventBody], ...]", get_args(RunEventBody))}


def encode_body(body: RunEventBody) -> JsonObject:
    """Return the event as a JSON object with its `kind`."""
    encoded: JsonObject = {"kind": body.kind, **cast("JsonObject", asdict(body))}
    if isinstance(body, UsageUpdated | RunFinished):
        encoded["usage"] = body.usage.to_json()
    return encoded


def decode_body(value: JsonObject) -> RunEventBody:
    """Read back what `encode_body` wrote, also in a newer release: unknown fields are ignored.

    Raises:
        KeyError: The kind is unknown.
        TypeError: A field is missing.
    """
    cls = _KINDS[cast("str", value["kind"])]
    names = {each.name for each in fields(cls)}
    members: dict[str, object] = {name: item for name, item in value.items() if name in names}
    if isinstance(usage := members.get("usage"), dict):
        members["usage"] = Usage.from_json(cast("JsonObject", usage))
    make = cast("Callable[..., RunEventBody]", cls)
    return make(**members)
