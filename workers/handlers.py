"""The kinds of jobs that workers do."""

from nexent_gql.domains.runs.executor import ExecutorSettings, RunExecutor
from nexent_gql.domains.runs.titles import TitleWriter
from nexent_gql.jobs.registry import JobRegistry
from nexent_gql.ports.engine import AgentEngine
from nexent_gql.runtime import Runtime
from nexent_gql.services import Services
from nexent_gql.settings import RunSettings
from nexent_gql.streams.sink import SinkSettings


def build_registry(runtime: Runtime, services: Services, engine: AgentEngine, settings: RunSettings) -> JobRegistry:
    """Build the handlers of all kinds of jobs; a new kind is one line here."""
    bounds = ExecutorSettings(deadline_s=settings.deadline_s, sink=SinkSettings(window_ms=settings.coalesce_ms))
    return JobRegistry(
        [
            RunExecutor(runtime.log, engine, services.models, services.tools, runtime.clock, bounds).handler,
            TitleWriter(runtime.llm, services.models, runtime.clock, timeout_s=settings.title_timeout_s).handler,
        ]
    )
