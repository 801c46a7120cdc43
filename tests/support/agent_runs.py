"""What an engine needs around it: a journal and a log that outlive attempts, tools that remember, and specs."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar, cast
from uuid import UUID

from nexent_gql.kernel.json import JsonObject, dumps, loads_object
from nexent_gql.ports.content import CitationPart, ReasoningPart, TextPart, text_parts
from nexent_gql.ports.engine import AgentEngine, AgentKind, RunSpec, Turn
from nexent_gql.ports.llm import ModelEndpoint
from nexent_gql.ports.llm_routes import ModelRoute
from nexent_gql.ports.run_events import AttemptStarted, RunEventBody, TextDelta
from nexent_gql.ports.tools import OfferedTool, RunContext, ToolCallContext, ToolDefinition, ToolErrorCode, ToolResult
from tests.support.scripted_models import ENDPOINT

E = TypeVar("E", bound=RunEventBody)
CONTEXT = RunContext(tenant_id=UUID(int=1), user_id=UUID(int=2), run_id=UUID(int=3), agent_id=UUID(int=4))
ASKED_AT = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


class CrashError(Exception):
    """The worker dies here."""


class MemoryRun:
    """Implements `RunPort`; attempts share one.

    Attributes:
        journal: Results as they are stored, through JSON.
        stored: How often each effect was stored.
        begun: How often each effect was begun.
        crash: Called with the number of an effect that is to be done, and "before", "unstored" or "stored".
    """

    def __init__(self) -> None:
        self.journal: dict[str, JsonObject] = {}
        self.events: list[RunEventBody] = []
        self.stored = Counter[str]()
        self.calls_by_key = Counter[str]()
        self.crash: Callable[[int, str], None] = lambda _number, _when: None
        self._count = 0

    def emit(self, event: RunEventBody) -> None:
        """See `RunPort`."""
        self.events.append(event)

    def replace_text(self, text: str) -> None:
        """See `RunPort`."""
        self.emit(AttemptStarted(attempt=max(1, len(self.of(AttemptStarted))), text=text))

    def is_done(self, key: str) -> bool:
        """See `RunPort`."""
        return key in self.journal

    async def once(self, key: str, effect: Callable[[], Awaitable[JsonObject]]) -> JsonObject:
        """See `RunPort`."""
        if key in self.journal:
            return self.journal[key]
        number, self._count = self._count, self._count + 1
        self.crash(number, "before")
        self.calls_by_key[key] += 1
        result = await effect()
        self.crash(number, "unstored")
        await asyncio.sleep(0)
        self.stored[key] += 1
        self.journal[key] = loads_object(dumps(result))
        self.crash(number, "stored")
        return result

    async def attempt(self, engine: AgentEngine, spec: RunSpec) -> None:
        """Run as the runs domain does: first say which text still holds."""
        self._count = 0
        attempt = 1 + len(self.of(AttemptStarted))
        self.emit(AttemptStarted(attempt=attempt, text=engine.recorded_text(self.journal)))
        await engine.run(spec, self)

    def of(self, kind: type[E]) -> list[E]:
        """Return all events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def text(self) -> str:
        """The answer as a reader of the events has it."""
        text = ""
        for event in self.events:
            if isinstance(event, AttemptStarted):
                text = event.text
            elif isinstance(event, TextDelta):
                text += event.text
        return text


class NotedTools:
    """Implements `ToolCaller`: `add`, `echo`, `slow` (waits), `cite` (a citation), `fail`; notes what was called."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, JsonObject]] = []
        self.contexts: list[ToolCallContext] = []
        self.running = 0
        self.most_running = 0

    async def call(self, tool: OfferedTool, arguments: JsonObject, context: ToolCallContext) -> ToolResult:
        """See `ToolCaller`."""
        assert (context.tenant_id, context.user_id) == (CONTEXT.tenant_id, CONTEXT.user_id)
        assert (context.run_id, context.agent_id) == (CONTEXT.run_id, CONTEXT.agent_id)
        self.calls.append((tool.name, arguments))
        self.contexts.append(context)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            return await self._call(tool.name, arguments)
        finally:
            self.running -= 1

    async def _call(self, name: str, arguments: JsonObject) -> ToolResult:
        match name:
            case "add":
                return ToolResult(str(cast("int", arguments["a"]) + cast("int", arguments["b"])))
            case "slow":
                await asyncio.sleep(cast("float", arguments["seconds"]))
                return ToolResult("done")
            case "echo":
                return ToolResult(str(arguments.get("text", "")))
            case "cite":
                return ToolResult("It says so [1].", parts=(CITATION, TextPart("left out"), ReasoningPart("left out")))
            case _:
                return ToolResult("it is broken", ToolErrorCode.REFUSED)


def tool(name: str, *required: str, kind: str = "number", **optional: str) -> OfferedTool:
    """Make a tool's description."""
    properties: JsonObject = {each: {"type": kind} for each in required}
    properties |= {each: {"type": kind, "default": default} for each, default in optional.items()}
    parameters: JsonObject = {"type": "object", "properties": properties, "required": [*required]}
    return OfferedTool(name, "tests", ToolDefinition(name, f"What {name} does.", parameters))


TOOLS = (
    tool("add", "a", "b"),
    tool("slow", "seconds"),
    tool("echo", "text", kind="string"),
    tool("fail"),
    tool("cite"),
)
CITATION = CitationPart("1", "Plan", "It is so.", page=3)


def spec_of(
    kind: AgentKind = AgentKind.TOOL_CALLING,
    *,
    task: str = "What is it?",
    max_steps: int = 6,
    instructions: str = "",
    history: tuple[Turn, ...] = (),
    model: ModelEndpoint = ENDPOINT,
    tools: tuple[OfferedTool, ...] = TOOLS,
) -> RunSpec:
    """Make a run's specification."""
    return RunSpec(
        agent_name="Ada",
        kind=kind,
        instructions=instructions,
        max_steps=max_steps,
        route=ModelRoute.of(model),
        tools=tools,
        history=history,
        question=text_parts(task),
        asked_at=ASKED_AT,
        context=CONTEXT,
    )
