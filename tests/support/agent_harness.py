"""An engine on scripted models, with its tools and one run."""

import threading

from nexent_gql.adapters.engine_smolagents import SmolagentsEngine
from nexent_gql.ports.engine import RunSpec
from nexent_gql.ports.llm import ChatMessage
from nexent_gql.ports.sandbox import CodeSandbox
from tests.support.agent_runs import MemoryRun, NotedTools, spec_of
from tests.support.routing import routed
from tests.support.scripted_models import Answer, ScriptedModels


def run_threads() -> set[threading.Thread]:
    """Return the threads of the engine's runs in this process; others come and go."""
    return {thread for thread in threading.enumerate() if thread.name.startswith("run-")}


class AgentHarness:
    """Runs agents on `sandbox`; `port` has what came of them, `models` what they were asked."""

    def __init__(self, sandbox: CodeSandbox) -> None:
        self._sandbox = sandbox
        self.tools = NotedTools()
        self.port = MemoryRun()
        self.models = ScriptedModels()

    async def run(self, *answers: Answer, spec: RunSpec | None = None) -> MemoryRun:
        self.models = ScriptedModels(*answers)
        engine = SmolagentsEngine(routed(self.models), self.tools, self._sandbox, max_runs=2)
        await self.port.attempt(engine, spec or spec_of())
        assert engine.stuck_threads == 0
        return self.port

    def another(self) -> "AgentHarness":
        return AgentHarness(self._sandbox)

    @property
    def last_messages(self) -> tuple[ChatMessage, ...]:
        return self.models.requests[-1].messages
