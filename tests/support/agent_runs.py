"""What an engine needs around it: a journal and a log that outlive attempts, tools that remember, and specs."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar, cast
from uuid import UUID

from nexent_gql.kernel.json import JsonObject, dumps, loads_object
from nexent_gql.ports.content import text_parts
from nexent_gql.ports.engine import AgentEngine, AgentKind, RunSpec, Turn
from nexent_gql.ports.llm import ModelEndpoint, ToolSpec
from nexent_gql.ports.run_events import AttemptStarted, RunEventBody, TextDelta
from nexent_gql.ports.tools import ToolContext, ToolResult
from tests.support.scripted_models import ENDPOINT

E = TypeVar("E", bound=RunEventBody)
CONTEXT = ToolContext(tenant_id=UUID(int=1), user_id=UUID(int=2), run_id=UUID(int=3))
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
        self.begun = Counter[str]()
        self.crash: Callable[[int, str], None] = lambda _number, _when: None
        self._count = 0

    def emit(self, event: RunEventBody) -> None:
        """See `RunPort`."""
        self.events.append(event)

    def is_done(self, key: str) -> bool:
        """See `RunPort`."""
        return key in self.journal

    async def once(self, key: str, effect: Callable[[], Awaitable[JsonObject]]) -> JsonObject:
        """See `RunPort`."""
        if key in self.journal:
            return self.journal[key]
        number, self._count = self._count, self._count + 1
        self.crash(number, "before")
        self.begun[key] += 1
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
        self.emit(AttemptStarted(attempt=attempt, text=engine.kept_text(self.journal)))
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
    """Implements `ToolBox`: `add`, `echo`, `slow` (waits), `fail`; notes what was called."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, JsonObject]] = []
        self.running = 0
        self.most_running = 0

    def specs(self) -> Sequence[ToolSpec]:
        """See `ToolBox`."""
        return TOOLS

    async def call(self, name: str, arguments: JsonObject, context: ToolContext) -> ToolResult:
        """See `ToolBox`."""
        assert context == CONTEXT
        self.calls.append((name, arguments))
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            return await self._call(name, arguments)
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
            case _:
                return ToolResult("it is broken", is_error=True)


def tool(name: str, *required: str, kind: str = "number", **optional: str) -> ToolSpec:
    """Make a tool's description."""
    properties: JsonObject = {each: {"type": kind} for each in required}
    properties |= {each: {"type": kind, "default": default} for each, default in optional.items()}
    return ToolSpec(name, f"What {name} does.", {"type": "object", "properties": properties, "required": [*required]})


TOOLS = (tool("add", "a", "b"), tool("slow", "seconds"), tool("echo", "text", kind="string"), tool("fail"))


def spec_of(
    kind: AgentKind = AgentKind.TOOL_CALLING,
    *,
    task: str = "What is it?",
    max_steps: int = 6,
    instructions: str = "",
    history: tuple[Turn, ...] = (),
    model: ModelEndpoint = ENDPOINT,
    tools: tuple[ToolSpec, ...] = TOOLS,
) -> RunSpec:
    """Make a run's specification."""
    return RunSpec(
        agent_name="Ada",
        kind=kind,
        instructions=instructions,
        max_steps=max_steps,
        model=model,
        tools=tools,
        history=history,
        question=text_parts(task),
        asked_at=ASKED_AT,
        context=CONTEXT,
    )
