"""Over the real schema and real rows, plans answer byte for byte as graphql-core does."""

from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import cast

import pytest

from nexent_gql.db.session import Database
from nexent_gql.kernel.principal import Principal
from nexent_gql.services import Services
from tests.support.chat import Chat, id_of, open_chat
from tests.support.compiled import compiled_of
from tests.support.direct_graphql import DirectGraphQL, schema
from tests.support.factory import Factory
from tests.support.service_harness import harness

AGENT = "id name description instructions kind maxSteps toolNames version createdAt updatedAt deletedAt definition"
MODEL = "__typename id name baseUrl dialect hasApiKey apiKeyHint lastCheck { ok latencyMs } createdAt"
RUN = "id status stopRequested createdAt usage { inputTokens outputTokens } error { code } agent { id name }"
MESSAGE = "id text role rating ratingComment status createdAt parent { id } children { id } siblings { id }"
DOCUMENTS = {
    "agents": f"{{ agents {{ totalCount edges {{ cursor node {{ {AGENT} model {{ {MODEL} }} effectiveModel {{ id }} "
    "tools { name } } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }",
    "models": f"{{ models(first: 1) {{ edges {{ node {{ {MODEL} }} }} pageInfo {{ hasNextPage }} }} }}",
    "conversations": f"{{ conversations {{ edges {{ node {{ id title titleSource createdAt agent {{ {AGENT} }} "
    f"activeMessage {{ {MESSAGE} }} latestRun {{ {RUN} }} }} }} }} }}",
    "messages and runs": "{ conversations { edges { node { messages(first: 3) { totalCount edges { node { "
    f"{MESSAGE} run {{ {RUN} conversation {{ id }} message {{ id }} }} }} }} }} activeBranch(last: 2) {{ id text }} }} "
    "} } }",
    "fragments and aliases": "{ conversations(first: 2) { edges { node { ...C other: id } } } } "
    "fragment C on Conversation { ... on Node { id } agent { a: name b: name } }",
}


@pytest.fixture
async def ada(make: Factory) -> Principal:
    return await make.principal()


@pytest.fixture
async def graphql(database: Database, redis_url: str, make: Factory, ada: Principal) -> AsyncGenerator[DirectGraphQL]:
    model = await make.model(ada, is_default=True)
    await make.model(ada)
    agents = [await make.agent(ada, name="Grace", model=model), await make.agent(ada, name="Edsger")]
    async with open_chat(database, redis_url) as chat, harness(database) as shop:
        await _talk(chat, ada, *(id_of("Agent", agent) for agent in agents))
        yield DirectGraphQL(cast("Services", SimpleNamespace(**vars(chat.services), models=shop.models)))


async def _talk(chat: Chat, actor: Principal, *agents: str) -> None:
    """Leave conversations of several branches, with and without messages."""
    for agent in agents:
        payload = await chat.exchange(actor, agentId=agent, text="What is «this»?\n\u2028")
        await chat.exchange(actor, "editMessage", messageId=payload["userMessage"]["id"], text="And that?")
        await chat.mutate(actor, "createConversation", "conversation { id }", agentId=agent)


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_plans_answer_as_graphql_core_does(graphql: DirectGraphQL, ada: Principal, name: str) -> None:
    document = DOCUMENTS[name]
    planned, by_core = await graphql.both_ways(ada, document)
    assert planned == by_core
    assert b'"errors"' not in planned
    assert b'"node":{' in planned
    (operation,) = schema().documents.prepare(document).operations
    assert all(compiled_of(operation.plans)), "graphql-core had to do it"
