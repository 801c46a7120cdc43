"""The trace of a run: of the request that created it, of each attempt, and of the calls of its model."""

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from opentelemetry.trace import NonRecordingSpan, SpanContext, use_span

from nexent_gql.adapters.events_memory import MemoryEventLog
from nexent_gql.api.schema.relay import global_id
from nexent_gql.db.session import Database
from nexent_gql.domains.agents.policy import AgentDraft
from nexent_gql.domains.agents.service import AgentService
from nexent_gql.domains.runs.service import RunService
from nexent_gql.domains.runs.starter import RunStarter, StartedRun
from nexent_gql.domains.tools.service import ToolService
from nexent_gql.kernel.clock import utc_now
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.engine import AgentKind
from nexent_gql.ports.llm import ChatRequest
from nexent_gql.telemetry import start_span, traced
from tests.support.answering import Answering, answering
from tests.support.direct_graphql import DirectGraphQL
from tests.support.factory import Factory
from tests.support.scripted_models import Answer, ComputedModels
from tests.support.spans import collect_spans

if TYPE_CHECKING:
    from nexent_gql.services import Services


async def read_trace_id(site: Answering, actor: Principal, started: StartedRun) -> object:
    """Read the trace of a run through GraphQL."""
    agents = AgentService(site.database, ToolService(site.catalog), utc_now)
    runs = RunService(site.database, MemoryEventLog(), RunStarter(site.database, agents, utc_now), utc_now)
    graphql = DirectGraphQL(cast("Services", SimpleNamespace(runs=runs)))
    run_id = str(global_id("Run", started.run.id))
    return (await graphql(actor, "query ($id: ID!) { run(id: $id) { traceId } }", id=run_id)).one["traceId"]


@pytest.mark.parametrize("kind", AgentKind)
async def test_a_run_continues_the_trace_of_its_request(
    database: Database, redis_url: str, make: Factory, tmp_path: Path, kind: AgentKind
) -> None:
    exporter, ada = collect_spans(), await make.principal()
    await make.model(ada, is_default=True)

    def answer(_: ChatRequest) -> Answer:
        start_span("chat", {}).end()
        return ["Fine."]

    async with answering(database, redis_url, tmp_path) as site:
        agents = AgentService(database, ToolService(site.catalog), utc_now)
        agent = await agents.create(ada, AgentDraft("Grace", kind=kind))
        with traced("mutation", {}) as request:
            started = await site.send(ada, agent)
        await site.run(started, ComputedModels(answer))
        trace_id = await read_trace_id(site, ada, started)
    context = request.get_span_context()
    assert trace_id == format(context.trace_id, "032x")
    finished = exporter.get_finished_spans()
    spans = {span.name: span for span in finished if span.context and span.context.trace_id == context.trace_id}
    attempt = spans["invoke_agent"]
    assert attempt.parent is not None
    assert attempt.parent.span_id == context.span_id
    assert dict(attempt.attributes or {}) == {
        "gen_ai.operation.name": "invoke_agent",
        "nexent.run_id": str(started.run.id),
        "nexent.attempt": 1,
    }
    assert attempt.context is not None
    assert spans["chat"].parent is not None
    assert spans["chat"].parent.span_id == attempt.context.span_id


async def test_a_run_without_a_trace_has_no_trace_id(
    database: Database, redis_url: str, make: Factory, tmp_path: Path
) -> None:
    ada = await make.principal()
    await make.model(ada, is_default=True)
    agent = await make.agent(ada, name="Grace")
    nothing = NonRecordingSpan(SpanContext(0, 0, is_remote=False))
    async with answering(database, redis_url, tmp_path) as site:
        with use_span(nothing):
            started = await site.send(ada, agent)
        await site.run(started, ComputedModels(lambda _: ["Fine."]))
        assert await read_trace_id(site, ada, started) is None
