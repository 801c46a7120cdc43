"""Which handler does which job."""

from collections.abc import Mapping

from nexent_gql.domains.runs.executor import ExecutorSettings, RunExecutor
from nexent_gql.domains.runs.jobs import ExecuteRun, GenerateTitle
from nexent_gql.domains.runs.titles import TitleWriter
from nexent_gql.jobs.lease import Handler
from nexent_gql.ports.engine import AgentEngine
from nexent_gql.runtime import Runtime
from nexent_gql.services import Services
from nexent_gql.settings import RunSettings
from nexent_gql.streams.sink import SinkSettings

_RUNS_PER_LIGHT_JOB = 5


def places(max_runs: int) -> Mapping[str, int]:
    """Return how many jobs of each queue one process does at a time; nobody waits for light ones, so they get fewer."""
    return {ExecuteRun.queue: max_runs, GenerateTitle.queue: -(-max_runs // _RUNS_PER_LIGHT_JOB)}


def build_handlers(
    runtime: Runtime, services: Services, engine: AgentEngine, settings: RunSettings
) -> Mapping[str, Handler]:
    """Make the handlers of every kind of job, by name."""
    bounds = ExecutorSettings(deadline_s=settings.deadline_s, sink=SinkSettings(window_ms=settings.coalesce_ms))
    executor = RunExecutor(runtime.log, engine, services.models, services.tools, runtime.clock, bounds)
    titles = TitleWriter(runtime.llm, services.models, runtime.clock, timeout_s=settings.title_timeout_s)
    return {
        ExecuteRun.name: Handler(run=executor.run, abandon=executor.abandon),
        GenerateTitle.name: Handler(run=titles.run, abandon=titles.abandon),
    }
