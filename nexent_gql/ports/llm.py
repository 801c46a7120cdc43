"""Chat models behind one protocol: requests in, a stream of typed deltas out."""

from collections.abc import AsyncGenerator
from dataclasses import asdict, dataclass, field, fields
from decimal import Decimal
from enum import StrEnum
from typing import Literal, Protocol, Self, cast
from uuid import UUID

from pydantic import SecretStr

from nexent_gql.kernel.json import JsonObject
from nexent_gql.ports.content import ContentPart, OpaquePart, join_text, text_parts
from nexent_gql.ports.llm_errors import ModelAddressError as ModelAddressError
from nexent_gql.ports.llm_errors import ModelContextTooLongError as ModelContextTooLongError
from nexent_gql.ports.llm_errors import ModelError as ModelError
from nexent_gql.ports.llm_errors import ModelKeyRefusedError as ModelKeyRefusedError
from nexent_gql.ports.llm_errors import ModelNotFoundError as ModelNotFoundError
from nexent_gql.ports.llm_errors import ModelOverloadedError as ModelOverloadedError
from nexent_gql.ports.llm_errors import ModelProtocolError as ModelProtocolError
from nexent_gql.ports.llm_errors import ModelQuotaExhaustedError as ModelQuotaExhaustedError
from nexent_gql.ports.llm_errors import ModelRateLimitedError as ModelRateLimitedError
from nexent_gql.ports.llm_errors import ModelRequestRefusedError as ModelRequestRefusedError
from nexent_gql.ports.llm_errors import ModelStreamBrokenError as ModelStreamBrokenError
from nexent_gql.ports.llm_errors import ModelTimeoutError as ModelTimeoutError
from nexent_gql.ports.llm_errors import ModelUnreachableError as ModelUnreachableError
from nexent_gql.ports.llm_limits import NO_LIMITS, ModelLimits
from nexent_gql.ports.llm_profile import UNKNOWN_PROFILE
from nexent_gql.ports.llm_profile import ModelProfile as ModelProfile
from nexent_gql.ports.llm_profile import ReasoningEffort as ReasoningEffort
from nexent_gql.ports.llm_profile import Verbosity as Verbosity

Role = Literal["system", "user", "assistant", "tool"]


class Dialect(StrEnum):
    """The wire protocol of a provider."""

    OPENAI = "OPENAI"
    ANTHROPIC = "ANTHROPIC"
    RESPONSES = "RESPONSES"
    OFFLINE = "OFFLINE"
    LOCAL = "LOCAL"

    @property
    def is_built_in(self) -> bool:
        """Whether its models run in this installation, and have neither an address nor a key."""
        return self in {Dialect.OFFLINE, Dialect.LOCAL}


class ModelKind(StrEnum):
    """What a model is for."""

    CHAT = "CHAT"
    EMBEDDING = "EMBEDDING"
    RERANK = "RERANK"


class AuthStyle(StrEnum):
    """How a key is sent: in the header of the dialect, or in `api-key`."""

    DIALECT = "DIALECT"
    API_KEY_HEADER = "API_KEY_HEADER"


@dataclass(frozen=True, slots=True)
class ModelDeadlines:
    """Time limits of one call in seconds; None is the installation's limit.

    Attributes:
        connect_s: Until the connection stands.
        first_byte_s: Without a byte, before the answer begins.
        first_content_s: From the request to the first piece of the answer.
        idle_s: Without a byte, within the answer.
        total_s: From the request to the end.
    """

    connect_s: float | None = None
    first_byte_s: float | None = None
    first_content_s: float | None = None
    idle_s: float | None = None
    total_s: float | None = None


@dataclass(frozen=True, slots=True)
class ModelEndpoint:
    """The address of a model and how to call it.

    Attributes:
        base_url: Ends before the path of the dialect, such as `/chat/completions`.
        query: Added to each URL, without the question mark.
        unsupported: Names of request parameters that the provider is known to refuse.
        model_id: The registered model; None for settings that are not stored.
        display_name: What people call the registered model; "" for settings that are not stored.
        dimensions: The length of vectors to ask for; None leaves it to the model.
        response_cache_s: How long answers to requests without tools are kept, in seconds; None: they are not.
    """

    dialect: Dialect
    model: str
    base_url: str = ""
    api_key: SecretStr | None = None
    auth: AuthStyle = AuthStyle.DIALECT
    query: str = ""
    unsupported: frozenset[str] = frozenset()
    profile: ModelProfile = UNKNOWN_PROFILE
    deadlines: ModelDeadlines = ModelDeadlines()
    limits: ModelLimits = NO_LIMITS
    model_id: UUID | None = None
    display_name: str = ""
    kind: ModelKind = ModelKind.CHAT
    dimensions: int | None = None
    response_cache_s: int | None = None


@dataclass(frozen=True, slots=True)
class RemoteModel:
    """A model as its provider lists it; `context_window_tokens` is None where the list has none."""

    name: str
    context_window_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A function the model may call; `parameters` is a JSON Schema of type object."""

    name: str
    description: str
    parameters: JsonObject


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call the model asked for; `arguments` is the JSON text as the model wrote it.

    `opaque` holds what the provider put on the call, or ahead of it, and must get back with it.
    """

    id: str
    name: str
    arguments: str
    opaque: tuple[OpaquePart, ...] = ()


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message; `tool_calls` only from the assistant, `tool_call_id` only from a tool."""

    role: Role
    parts: tuple[ContentPart, ...]
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None

    @classmethod
    def from_text(
        cls, role: Role, text: str, tool_calls: tuple[ToolCall, ...] = (), tool_call_id: str | None = None
    ) -> Self:
        """Return a message of text alone; empty text is no part."""
        return cls(role, text_parts(text), tool_calls, tool_call_id)

    @property
    def text(self) -> str:
        """The text of all text parts."""
        return join_text(self.parts)


@dataclass(frozen=True, slots=True)
class ResponseSchema:
    """A JSON Schema that the whole answer has to fit; `name` is of letters, digits, "_" and "-"."""

    name: str
    schema: JsonObject


@dataclass(frozen=True, slots=True)
class CallAttribution:
    """On whose account a call is; it is not sent to the provider.

    `step` counts from 1, 0 is outside of a run. `api_key_id` is the API key of the request that caused the call.
    """

    tenant_id: UUID
    user_id: UUID
    purpose: Literal["RUN", "TITLE", "INGESTION", "SEARCH", "SUMMARY", "GRAPH"]
    run_id: UUID | None = None
    step: int = 0
    api_key_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What to ask; None leaves the provider's default. Without `attribution` a call is not accounted for.

    Requests with the same `cache_key` begin alike, so that a provider can keep them where its prompt cache is; "" is
    none.
    """

    messages: tuple[ChatMessage, ...]
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: Literal["auto", "required", "none"] = "auto"
    stop: tuple[str, ...] = ()
    max_output_tokens: int | None = None
    temperature: float | None = None
    response_schema: ResponseSchema | None = None
    reasoning_effort: ReasoningEffort | None = None
    verbosity: Verbosity | None = None
    parallel_tools: bool | None = None
    cache_key: str = ""
    attribution: CallAttribution | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call.

    `cached_tokens` (read from the provider's cache) and `cache_write_tokens` are part of the input,
    `reasoning_tokens` of the output.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    cache_write_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        """Add two calls."""
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
        )

    def to_json(self) -> JsonObject:
        """Return the form in which events and journals store it.

        Cache writes are left out where there are none: earlier releases do not know the field.
        """
        stored = cast("JsonObject", asdict(self))
        if not self.cache_write_tokens:
            del stored["cache_write_tokens"]
        return stored

    @classmethod
    def from_json(cls, stored: JsonObject) -> "Usage":
        """Read what `to_json` returned, also in an older or newer release: unknown fields are ignored."""
        names = {each.name for each in fields(cls)}
        return cls(**{name: cast("int", value) for name, value in stored.items() if name in names})


@dataclass(frozen=True, slots=True)
class TextChunk:
    """A piece of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningChunk:
    """A piece of the model's visible reasoning."""

    text: str


@dataclass(frozen=True, slots=True)
class TextWasReasoning:
    """All text of the answer so far was reasoning: its end was marked, its beginning was not."""


@dataclass(frozen=True, slots=True)
class OpaqueChunk:
    """An item that the provider must get back verbatim, with call number `call_index` or with the whole message."""

    part: OpaquePart
    call_index: int | None = None


@dataclass(frozen=True, slots=True)
class ToolCallChunk:
    """A piece of call number `index`; `id` and `name` come with its first piece, `arguments` in fragments."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class Finished:
    """The last item of a whole answer: why it ended, and its tokens (None: the provider did not say).

    `cost_usd` is added where calls are accounted for; None: no price is known, or the call is not accounted for.
    `answered_by` is added by routes: the key of the deployment that gave the end of the answer.
    """

    reason: Literal["stop", "length", "tool_calls", "content_filter", "other"]
    usage: Usage | None = None
    cost_usd: Decimal | None = None
    answered_by: str = ""


@dataclass(frozen=True, slots=True)
class BrokenCallUsage:
    """What a call used that broke off after it had begun; the error follows, or the answer of another call.

    `cost_usd` is None where no price is known.
    """

    usage: Usage
    cost_usd: Decimal | None = None


ChatChunk = TextChunk | ReasoningChunk | TextWasReasoning | OpaqueChunk | ToolCallChunk | Finished | BrokenCallUsage


@dataclass(frozen=True, slots=True)
class ModelCheck:
    """The outcome of a trial call; `code` and `advice` are set when it failed.

    `provider_message` is the provider's own sentence, None when there was none. `profile` is what was learned.
    """

    ok: bool
    latency_ms: int
    code: str | None = None
    advice: str | None = None
    provider_message: str | None = None
    details: JsonObject = field(default_factory=JsonObject)
    profile: ModelProfile = UNKNOWN_PROFILE


class LanguageModels(Protocol):
    """All chat models, whatever their dialect."""

    def stream(self, endpoint: ModelEndpoint, request: ChatRequest) -> AsyncGenerator[ChatChunk]:
        """Stream one answer; the last item is `Finished`, and closing the generator closes the connection.

        Raises:
            ModelError: The answer did not come, or not whole.
        """
        ...

    async def check(self, endpoint: ModelEndpoint, *, with_profile: bool = False) -> ModelCheck:
        """Make the smallest real call and report the outcome; never raises ModelError.

        `with_profile` also tries a tool call and reads the provider's list, at most two requests more.
        """
        ...


class ModelDirectory(LanguageModels, Protocol):
    """Chat models, and the lists of their providers."""

    async def list_models(self, endpoint: ModelEndpoint) -> tuple[RemoteModel, ...]:
        """Return the models that a provider lists, at most 1,000; `endpoint.model` is ignored.

        Raises:
            ModelError: The provider gave no list.
        """
        ...
