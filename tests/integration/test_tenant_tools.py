"""Tools that belong to a tenant: offered to it alone, frozen with a run, and called again after a crash."""

import signal
import sys
from asyncio.subprocess import create_subprocess_exec
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select, text, update
from sqlmodel import col

from nexent_gql.api.schema.relay import global_id
from nexent_gql.db.pool import create_engine
from nexent_gql.db.session import Database
from nexent_gql.domains.agents.service import AgentService
from nexent_gql.domains.agents.tables import Agent
from nexent_gql.domains.models.tables import ChatModel
from nexent_gql.domains.runs import events
from nexent_gql.domains.runs.errors import AgentKeepsChangingError
from nexent_gql.domains.runs.starter import NewMessage, RunStarter, StartedRun
from nexent_gql.domains.runs.tables import Run, RunArchive
from nexent_gql.domains.tools.service import tool_id
from nexent_gql.jobs.reaper import Reaper
from nexent_gql.kernel.clock import utc_now
from nexent_gql.kernel.json import JsonObject
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.tools import Tool, ToolCallContext, ToolDefinition, ToolProvider
from tests.support.factory import Factory
from tests.support.model_tools import ModelTools
from tests.support.scripted_models import Call, ScriptedModels
from tests.support.service_harness import harness
from tests.support.statements import statements
from tests.support.tool_worker import execute, note
from tests.support.toolbox import tool_service
from tests.support.waiting import eventually

NO_LONGER_THERE = "The tool Helper does not exist any more; go on without it."


@dataclass
class Scenario:
    """Two tenants; the first has a model "Helper", of which there is a tool, and an agent with it."""

    database: Database
    redis_url: str
    actor: Principal
    stranger: Principal
    model: ChatModel
    agent: Agent

    async def ask(self, *providers: ToolProvider, database: Database | None = None) -> StartedRun:
        """Ask the agent."""
        database = database or self.database
        agents = AgentService(database, tool_service(*providers or [ModelTools(database)]), utc_now)
        return await RunStarter(database, agents, utc_now).send(self.actor, NewMessage("Hi", agent_id=self.agent.id))

    async def execute(self, exchange: StartedRun, models: ScriptedModels, *providers: ToolProvider) -> list[JsonObject]:
        """Answer, and return the tools' outputs."""
        await execute(self.database, self.redis_url, exchange.run.job_id, providers, models)
        async with self.database.read(self.actor.tenant_id) as session:
            archive = (await session.scalars(select(RunArchive).where(col(RunArchive.run_id) == exchange.run.id))).one()
        entries = await events.unpack(archive.events)
        return [entry.body for entry in entries if entry.body["kind"] == "ToolOutput"]

    async def change(self, **values: object) -> None:
        """Change the model, and so its tool."""
        async with self.database.transaction(self.actor.tenant_id) as session:
            await session.execute(update(ChatModel).where(col(ChatModel.id) == self.model.id).values(**values))

    async def lose_lease(self, exchange: StartedRun) -> None:
        """Let the worker that has the run count as dead."""
        async with self.database.system() as session:
            past = text("UPDATE job SET lease_until = clock_timestamp() - interval '1 second' WHERE id = :id")
            await session.execute(past, {"id": exchange.run.job_id})
        await Reaper(self.database, interval_s=1, lease_s=1).look()


@pytest.fixture
async def scenario(database: Database, redis_url: str, make: Factory) -> Scenario:
    actor, stranger = await make.principal(), await make.principal()
    model = await make.model(actor, name="Helper", is_default=True)
    agent = await make.agent(actor, tools=["Helper"])
    return Scenario(database, redis_url, actor, stranger, model, agent)


async def test_a_killed_call_is_made_again_as_it_was(
    scenario: Scenario, database_url: str, system_database_url: str, tmp_path: Path
) -> None:
    exchange = await scenario.ask()
    file = tmp_path / "call"
    urls = (database_url, system_database_url, scenario.redis_url)
    child = await create_subprocess_exec(
        sys.executable, "-m", "tests.support.tool_worker", *urls, str(exchange.run.job_id), str(file)
    )
    await eventually(file.exists, 30)
    child.send_signal(signal.SIGKILL)
    await child.wait()
    await scenario.change(model_name="something else", name="Other name")
    await scenario.lose_lease(exchange)

    calls: list[str] = []

    async def on_call(context: ToolCallContext, definition: ToolDefinition) -> None:
        calls.append(note(context, definition))

    models = ScriptedModels([Call("Helper")], ["Done."])
    (output,) = await scenario.execute(exchange, models, ModelTools(scenario.database, on_call))
    assert calls == [file.read_text()]
    assert calls[0].endswith('"offline"]'), "bound by the definition that the run was given"
    assert output["output"] == "Other name is something else"
    (request,) = models.requests  # the first answer of the model came from the journal
    assert [(tool.name, tool.description) for tool in request.tools] == [
        ("Helper", "Describe a model, which is offline.")
    ]


async def test_each_call_has_an_idempotency_key_of_its_own(scenario: Scenario) -> None:
    keys: list[str] = []

    async def on_call(context: ToolCallContext, _definition: ToolDefinition) -> None:
        keys.append(context.idempotency_key)
        assert context.agent_id == scenario.agent.id
        assert context.user_id == scenario.actor.user_id

    provider = ModelTools(scenario.database, on_call)
    for _ in range(2):
        models = ScriptedModels([Call("Helper"), Call("Helper", id="b")], [Call("Helper")], ["Done."])
        assert len(await scenario.execute(await scenario.ask(), models, provider)) == 3
    assert len(set(keys)) == 6


async def test_a_tool_that_vanished_says_so_and_the_run_goes_on(scenario: Scenario, make: Factory) -> None:
    exchange = await scenario.ask()
    await make.model(scenario.actor, name="Another")
    async with scenario.database.transaction(scenario.actor.tenant_id) as session:
        await session.execute(text("UPDATE chat_model SET is_default = (id <> :id)"), {"id": scenario.model.id})
        await session.execute(text("DELETE FROM chat_model WHERE id = :id"), {"id": scenario.model.id})
    models = ScriptedModels([Call("Helper")], ["Without it."])
    (output,) = await scenario.execute(exchange, models, ModelTools(scenario.database))
    assert output["is_error"] is True
    assert output["output"] == NO_LONGER_THERE


async def test_a_provider_that_vanished_is_no_crash(scenario: Scenario) -> None:
    (output,) = await scenario.execute(await scenario.ask(), ScriptedModels([Call("Helper")], ["Without it."]))
    assert output["output"] == NO_LONGER_THERE


async def test_another_tenant_never_sees_the_tool(scenario: Scenario, make: Factory) -> None:
    await make.model(scenario.stranger, name="Own", is_default=True)
    async with harness(scenario.database, providers=[ModelTools(scenario.database)]) as app:
        listed = await app.ask(scenario.stranger, "{ tools { edges { node { name provider } } } }")
        assert listed.nodes == [{"name": "Own", "provider": "models"}]
        node = "query ($id: ID!) { node(id: $id) { id } }"
        assert (await app.ask(scenario.stranger, node, id=global_id("Tool", tool_id("Helper")))).data == {"node": None}
        refusal = await app.mutate(scenario.stranger, "createAgent", "{ agent { id } }", name="A", toolNames=["Helper"])
        assert refusal["code"] == "UNKNOWN_TOOL"


async def test_a_frozen_tool_of_another_tenant_is_not_called(scenario: Scenario, make: Factory) -> None:
    own = await scenario.ask()
    await make.model(scenario.stranger, name="Own", is_default=True)
    foreign_agent = await make.agent(scenario.stranger, tools=["Own"])
    other = Scenario(
        scenario.database, scenario.redis_url, scenario.stranger, scenario.actor, scenario.model, foreign_agent
    )
    exchange = await other.ask()
    async with scenario.database.transaction(scenario.stranger.tenant_id) as session:
        row = await session.get_one(Run, exchange.run.id)
        row.spec = {**row.spec, "tools": own.run.spec["tools"]}
    (output,) = await other.execute(exchange, ScriptedModels([Call("Helper")], ["."]), ModelTools(scenario.database))
    assert output["output"] == NO_LONGER_THERE


async def test_a_run_of_an_earlier_release_has_names_only(scenario: Scenario) -> None:
    exchange = await scenario.ask()
    async with scenario.database.transaction(scenario.actor.tenant_id) as session:
        row = await session.get_one(Run, exchange.run.id)
        spec: JsonObject = {name: value for name, value in row.spec.items() if name != "tools"}
        row.spec = {**spec, "tool_names": ["calculator", "gone"]}
    models = ScriptedModels([Call("calculator", {"expression": "6 * 7"})], ["42."])
    (output,) = await scenario.execute(exchange, models)
    assert output["output"] == "42"
    assert [tool.name for tool in models.requests[0].tools] == ["calculator"]


async def test_tools_of_many_agents_cost_one_query_of_the_provider(scenario: Scenario, make: Factory) -> None:
    for number in range(20):
        await make.model(scenario.actor, name=f"m{number}")
        await make.agent(scenario.actor, tools=["Helper", f"m{number}", "gone"])
    async with harness(scenario.database, providers=[ModelTools(scenario.database)]) as app:
        query = "{ agents(first: 20) { edges { node { name tools { name timeoutMs isReadOnly } } } } }"
        with statements(app.database) as queries:
            answer = await app.ask(scenario.actor, query)
        assert [len(agent["tools"]) for agent in answer.nodes] == [2] * 20
        assert answer.nodes[0]["tools"][0] == {"name": "Helper", "timeoutMs": 60_000, "isReadOnly": True}
        assert len(queries) == 2


async def test_asking_needs_one_connection_at_a_time(scenario: Scenario, database_url: str) -> None:
    """Providers open transactions of their own: never inside that of the request, or all would wait for each other."""
    pool = create_engine(database_url, pool_size=1)
    try:
        exchange = await scenario.ask(database=Database(pool))
    finally:
        await pool.dispose()
    assert [tool["name"] for tool in _tools_of(exchange)] == ["Helper"]


class Changing(ModelTools):
    """Changes the agent while its tools are listed, `times` often."""

    def __init__(self, scenario: Scenario, times: int) -> None:
        super().__init__(scenario.database)
        self.times = times
        self._stage = scenario

    async def tools(self, actor: Principal, agent_id: UUID | None = None) -> Sequence[Tool]:
        if self.times:
            self.times -= 1
            change = update(Agent).where(col(Agent.id) == agent_id).values(version=Agent.version + 1, tool_names=[])
            async with self._stage.database.transaction(actor.tenant_id) as session:
                await session.execute(change.values(tool_names=["Helper"] if self.times else ["gone"]))
        return await super().tools(actor, agent_id)


async def test_a_run_has_the_tools_of_the_agent_that_answers(scenario: Scenario) -> None:
    assert _tools_of(await scenario.ask(Changing(scenario, 1))) == []
    async with scenario.database.read(scenario.actor.tenant_id) as session:
        before = len((await session.scalars(select(Run))).all())
    with pytest.raises(AgentKeepsChangingError):
        await scenario.ask(Changing(scenario, 5))
    async with scenario.database.read(scenario.actor.tenant_id) as session:
        assert len((await session.scalars(select(Run))).all()) == before


def _tools_of(exchange: StartedRun) -> list[JsonObject]:
    tools = exchange.run.spec["tools"]
    assert isinstance(tools, list)
    return [tool for tool in tools if isinstance(tool, dict)]
