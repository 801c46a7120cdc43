"""Tools that agents call: their definitions, their providers, and the input and output of a call."""

import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, cast
from uuid import UUID

from nexent_gql.kernel.json import JsonObject
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.content import CitationPart, ContentPart
from nexent_gql.ports.llm import ToolSpec

DEFAULT_TIMEOUT_S = 30.0
UTC_ZONE = "UTC"
"""The time zone of users who named none."""


class ToolErrorCode(StrEnum):
    """Why a call gave an error result.

    Attributes:
        UNKNOWN_TOOL: The agent has no tool of this name.
        INVALID_ARGUMENTS: The arguments do not fit the tool's schema.
        REFUSED: The arguments are valid, and the tool cannot serve them.
        TIMEOUT: The tool did not finish in time.
        UNAVAILABLE: The tool that the run was given does not exist any more.
        INTERNAL: The tool failed in a way that the model cannot correct.
    """

    UNKNOWN_TOOL = "UNKNOWN_TOOL"
    INVALID_ARGUMENTS = "INVALID_ARGUMENTS"
    REFUSED = "REFUSED"
    TIMEOUT = "TIMEOUT"
    UNAVAILABLE = "UNAVAILABLE"
    INTERNAL = "INTERNAL"


@dataclass(frozen=True, slots=True)
class ToolAnnotations:
    """How a tool behaves; hints by its author, not guarantees.

    Attributes:
        is_read_only: It changes nothing outside the run.
        is_destructive: It may delete or overwrite data.
        needs_approval: A person should approve each call. Carried to clients; nothing waits for an approval yet.
    """

    is_read_only: bool = False
    is_destructive: bool = False
    needs_approval: bool = False


@dataclass(frozen=True, slots=True)
class ToolDefinition:
    """The definition of a tool.

    Attributes:
        name: Unique within its provider.
        description: What it does and when to use it, for the model.
        parameters: A JSON Schema of type object: the arguments of a call.
        annotations: How it behaves.
        timeout_s: Seconds after which a call is cancelled.
        version: Changes whenever calls of an earlier definition would be understood differently.
        binding: What its provider needs to call it again, such as the id of a server. Never a secret.
    """

    name: str
    description: str
    parameters: JsonObject
    annotations: ToolAnnotations = ToolAnnotations()
    timeout_s: float = DEFAULT_TIMEOUT_S
    version: str = "1"
    binding: JsonObject = field(default_factory=JsonObject)


@dataclass(frozen=True, slots=True)
class OfferedTool:
    """A tool as an agent is offered it; a run keeps it, so that a replay uses the same specification.

    Attributes:
        name: Unique among all tools of the agent; differs from the definition's where two providers use one name.
        provider: The name of the `ToolProvider`.
        definition: The tool's definition when it was offered to the agent.
    """

    name: str
    provider: str
    definition: ToolDefinition

    @property
    def spec(self) -> ToolSpec:
        """What the model is sent."""
        return ToolSpec(self.name, self.definition.description, self.definition.parameters)

    def to_json(self) -> JsonObject:
        """Return the form in which a run stores it."""
        definition, annotations = self.definition, self.definition.annotations
        return {
            "name": self.name,
            "provider": self.provider,
            "source_name": definition.name,
            "description": definition.description,
            "parameters": definition.parameters,
            "annotations": {
                "is_read_only": annotations.is_read_only,
                "is_destructive": annotations.is_destructive,
                "needs_approval": annotations.needs_approval,
            },
            "timeout_s": definition.timeout_s,
            "version": definition.version,
            "binding": definition.binding,
        }

    @classmethod
    def from_json(cls, stored: JsonObject) -> "OfferedTool":
        """Read what `to_json` returned, also in an older or newer release: unknown fields are ignored."""
        annotations = cast("JsonObject", stored.get("annotations") or {})
        definition = ToolDefinition(
            name=str(stored.get("source_name", stored["name"])),
            description=str(stored.get("description", "")),
            parameters=cast("JsonObject", stored.get("parameters") or {"type": "object", "properties": {}}),
            annotations=ToolAnnotations(
                is_read_only=bool(annotations.get("is_read_only")),
                is_destructive=bool(annotations.get("is_destructive")),
                needs_approval=bool(annotations.get("needs_approval")),
            ),
            timeout_s=cast("float", stored.get("timeout_s", DEFAULT_TIMEOUT_S)),
            version=str(stored.get("version", "1")),
            binding=cast("JsonObject", stored.get("binding") or {}),
        )
        return cls(str(stored["name"]), str(stored["provider"]), definition)


@dataclass(frozen=True, slots=True)
class RunContext:
    """On whose behalf an agent runs.

    Attributes:
        tenant_id: The tenant.
        user_id: The owner of the run.
        run_id: The run.
        agent_id: The agent.
        deadline: The end of the attempt, in seconds of `time.monotonic`.
        time_zone: IANA name of the user's time zone, as frozen into the run.
        api_key_id: The API key of the request that started the run; None: it came with a session.
    """

    tenant_id: UUID
    user_id: UUID
    run_id: UUID
    agent_id: UUID | None = None
    deadline: float = math.inf
    time_zone: str = UTC_ZONE
    api_key_id: UUID | None = None


class Cancellation:
    """Tells work that no event loop can cancel, such as a thread, that its call has ended. Thread-safe."""

    def __init__(self) -> None:
        self._event = threading.Event()

    @property
    def is_requested(self) -> bool:
        """Whether the call was cancelled or ran out of time."""
        return self._event.is_set()

    def request(self) -> None:
        """Ask the work to end."""
        self._event.set()

    def wait(self, timeout_s: float) -> bool:
        """Block a thread until the work is asked to end, at most `timeout_s`; return `is_requested`."""
        return self._event.wait(timeout_s)


@dataclass(frozen=True, slots=True)
class ToolCallContext:
    """What a call knows beside its arguments.

    Attributes:
        tenant_id: The tenant on whose behalf the tool acts; every query of the tool has to name it.
        user_id: The owner of the run; a tool shows the model only what this user may see.
        run_id: The run.
        agent_id: The agent that calls.
        call_id: Unique within the run, as in the run's events.
        idempotency_key: The same for each attempt at this call, also by another worker after a crash, and different
            for every other call. Effects that must not happen twice are stored or sent under it.
        deadline: When the call is cancelled, in seconds of `time.monotonic`: the earlier of the tool's time-out and the
            run's end.
        cancellation: Set when the call is cancelled or runs out of time.
        time_zone: IANA name of the user's time zone.
    """

    tenant_id: UUID
    user_id: UUID
    run_id: UUID
    agent_id: UUID | None
    call_id: str
    idempotency_key: str
    deadline: float = math.inf
    cancellation: Cancellation = field(default_factory=Cancellation, compare=False)
    time_zone: str = UTC_ZONE

    @property
    def remaining_s(self) -> float:
        """Seconds until the deadline, at least 0."""
        return max(0.0, self.deadline - time.monotonic())


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a call gave.

    Attributes:
        output: What the model reads.
        error: Set when the tool refused or failed.
        parts: What people see with the answer: images, recordings, files and citations. Other parts are left out.
        sources: Passages that the answer may cite. The run gives them labels, and adds them to what the model reads.
    """

    output: str
    error: ToolErrorCode | None = None
    parts: tuple[ContentPart, ...] = ()
    sources: tuple[CitationPart, ...] = ()

    @property
    def is_error(self) -> bool:
        """Whether the call failed."""
        return self.error is not None


class Tool(Protocol):
    """A function that a model may call."""

    @property
    def definition(self) -> ToolDefinition:
        """The definition that models see."""
        ...

    async def call(self, arguments: JsonObject, context: ToolCallContext) -> ToolResult:
        """Run the tool; bad arguments and what cannot be done are error results.

        Cancelling the call ends the tool's work. What it raises reaches the log, never the model. A call that was
        cut short by a crash is made again with the same `idempotency_key`.
        """
        ...


class ToolProvider(Protocol):
    """A source of tools, such as a domain or a server; one instance serves all tenants."""

    @property
    def name(self) -> str:
        """Unique and stable: runs store it."""
        ...

    async def tools(self, actor: Principal, agent_id: UUID | None = None) -> Sequence[Tool]:
        """Return the tools that agents of the actor's tenant may call, in a stable order.

        With `agent_id`, as this agent is offered them when a run begins; without, as people choose among them. No
        transaction is open meanwhile, so that a provider may open its own. Answers within seconds.
        """
        ...

    async def bind(self, definition: ToolDefinition, context: ToolCallContext) -> Tool | None:
        """Return the tool that calls by an earlier definition; None when it does not exist for the tenant."""
        ...


class ToolCaller(Protocol):
    """Calls tools for an engine."""

    async def call(self, tool: OfferedTool, arguments: JsonObject, context: ToolCallContext) -> ToolResult:
        """Call a tool within its time limit; whatever it does, the result is one that the model can read.

        Cancelling the call ends the tool's work.

        Raises:
            UnavailableError: The database is away; the run waits for it.
        """
        ...
