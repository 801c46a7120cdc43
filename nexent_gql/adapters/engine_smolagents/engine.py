"""Runs of agents: a thread for each, and its effects on the event loop."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial

from nexent_gql.adapters.engine_smolagents.agents import CodeLoop, ToolLoop
from nexent_gql.adapters.engine_smolagents.code_text import STOP
from nexent_gql.adapters.engine_smolagents.journal import Generation, Journal, recorded_opaque, recorded_text
from nexent_gql.adapters.engine_smolagents.model_calls import CodeReader, ModelCalls, ToolReader
from nexent_gql.adapters.engine_smolagents.prompts import opening
from nexent_gql.adapters.engine_smolagents.snippets import SnippetResult, Snippets
from nexent_gql.adapters.engine_smolagents.sources import recorded_sources
from nexent_gql.adapters.engine_smolagents.threads import RunControl, RunThreads
from nexent_gql.adapters.engine_smolagents.tool_calls import ToolCalls
from nexent_gql.adapters.engine_smolagents.window import ContextWindow, budget_of
from nexent_gql.kernel.json import JsonObject
from nexent_gql.ports.content import CitationPart, OpaquePart
from nexent_gql.ports.engine import AgentKind, RunPort, RunSpec
from nexent_gql.ports.llm import CallAttribution, ChatMessage, ChatRequest, ToolCall
from nexent_gql.ports.llm_routes import RoutedModels
from nexent_gql.ports.run_events import StepFinished
from nexent_gql.ports.sandbox import CodeSandbox
from nexent_gql.ports.tools import ToolCaller, ToolResult


class SmolagentsEngine:
    """Implements the `AgentEngine` port; create it on the event loop that uses it.

    Args:
        models: The language models.
        tools: Executes tool calls.
        sandbox: Runs the code of code agents.
        max_runs: Concurrent runs; further ones wait.
        grace_s: Seconds that a cancelled run may take to end; usually milliseconds.
    """

    def __init__(
        self,
        models: RoutedModels,
        tools: ToolCaller,
        sandbox: CodeSandbox,
        *,
        max_runs: int = 50,
        grace_s: float = 5,
    ) -> None:
        self._models = models
        self._tools = tools
        self._sandbox = sandbox
        self._threads = RunThreads(max_runs, grace_s)

    @property
    def stuck_threads(self) -> int:
        """Runs that were cancelled longer than `grace_s` ago and have not ended; anything but 0 is a bug."""
        return self._threads.stuck

    def recorded_text(self, journal: Mapping[str, JsonObject]) -> str:
        return recorded_text(journal)

    def recorded_opaque(self, journal: Mapping[str, JsonObject]) -> tuple[OpaquePart, ...]:
        return recorded_opaque(journal)

    def recorded_sources(self, journal: Mapping[str, JsonObject]) -> tuple[CitationPart, ...]:
        return recorded_sources(journal)

    async def run(self, spec: RunSpec, port: RunPort) -> None:
        """See `AgentEngine`.

        Raises:
            SandboxUnavailableError: It is a code agent, and code can't be run here.
        """
        journal = Journal(port)
        tools = ToolCalls(self._tools, spec, journal)
        async with AsyncExitStack() as stack:
            is_code = spec.kind is AgentKind.CODE
            snippets = Snippets(self._sandbox, tools, spec, journal) if is_code else None
            if snippets is not None:
                await stack.enter_async_context(snippets)
            control = RunControl()
            messages = opening(spec, self._sandbox.guide if is_code else "")
            window = ContextWindow(len(messages) - 1, budget_of(spec.route.profile))
            calls = ModelCalls(self._models, spec.route, journal, window)
            effects = _LoopEffects(control, spec, journal, calls, tools, snippets)
            agent = CodeLoop if is_code else ToolLoop
            name = f"run-{spec.context.run_id}"
            await self._threads.run(control, lambda: agent(effects, messages, spec.max_steps).work(), name)


class _LoopEffects:
    """Implements `AgentEffects`: executes on the event loop, and waits in the thread."""

    def __init__(
        self,
        control: RunControl,
        spec: RunSpec,
        journal: Journal,
        models: ModelCalls,
        tools: ToolCalls,
        snippets: Snippets | None,
    ) -> None:
        self._control = control
        self._spec = spec
        self._journal = journal
        self._models = models
        self._tools = tools
        self._snippets = snippets

    def generate(self, step: int, messages: Sequence[ChatMessage], *, last: bool = False) -> Generation:
        writes_code = self._snippets is not None and not last
        tools = tuple(tool.spec for tool in self._spec.tools) if self._snippets is None else ()
        request = ChatRequest(
            messages=tuple(messages),
            tools=tools,
            tool_choice="none" if last and tools else "auto",
            stop=(STOP,) if writes_code else (),
            attribution=CallAttribution(
                tenant_id=self._spec.context.tenant_id,
                user_id=self._spec.context.user_id,
                purpose="RUN",
                run_id=self._spec.context.run_id,
                step=step,
                api_key_id=self._spec.context.api_key_id,
            ),
        )
        reader = CodeReader if writes_code else partial(ToolReader, tools=tools)
        return self._control.call(self._models.generate(step, request, reader))

    def call_tools(self, step: int, calls: Sequence[ToolCall]) -> Sequence[ToolResult]:
        return self._control.call(self._tools.all(step, calls))

    def run_code(self, step: int, code: str) -> SnippetResult:
        if self._snippets is None:
            raise RuntimeError("only code agents run code")
        return self._control.call(self._snippets.run(step, code))

    def finish_step(self, step: int, duration_ms: int, error: str | None) -> None:
        async def finish() -> JsonObject:
            path = self._journal.path
            self._journal.port.emit(StepFinished(duration_ms=duration_ms, error=error, step=step, agent_path=path))
            return {"duration_ms": duration_ms, "error": error}

        self._control.call(self._journal.once(self._journal.key(step, "step"), finish))
