"""A tenant has so many unfinished runs and no more."""

import pytest

from nexent_gql.db.session import Database
from nexent_gql.domains.agents.service import AgentService
from nexent_gql.domains.runs.errors import TooManyRunsError
from nexent_gql.domains.runs.starter import NewMessage, RunStarter
from nexent_gql.kernel.clock import utc_now
from nexent_gql.kernel.principal import Principal
from tests.support.factory import Factory
from tests.support.toolbox import tool_service


async def test_runs_that_have_not_ended_count_and_those_of_others_do_not(database: Database, make: Factory) -> None:
    starter = RunStarter(database, AgentService(database, tool_service(), utc_now), utc_now, max_active=2)
    ada, eve = await make.principal(), await make.principal()

    async def ask(actor: Principal, client_id: str | None = None) -> str:
        exchange = await starter.send(actor, NewMessage("Hello", agent_id=agents[actor].id, client_id=client_id))
        return str(exchange.run.id)

    agents = {actor: await make.agent(actor) for actor in (ada, eve)}
    first, _ = await ask(ada, "a"), await ask(ada)
    with pytest.raises(TooManyRunsError) as refused:
        await ask(ada)
    assert (refused.value.code, refused.value.details) == ("TOO_MANY_RUNS", {"limit": 2})
    assert await ask(ada, "a") == first, "what was asked for before is not asked for again"
    await ask(eve)
