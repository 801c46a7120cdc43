"""The tools of the installation, as clients see them."""

from collections.abc import AsyncGenerator

import pytest

from nexent_gql.api.schema.relay import global_id
from nexent_gql.db.session import Database
from nexent_gql.domains.tools.service import tool_id
from tests.support.factory import Factory
from tests.support.service_harness import ServiceHarness, harness
from tests.support.statements import statements

TOOLS = """
query ($first: Int, $after: String, $last: Int, $before: String) {
  tools(first: $first, after: $after, last: $last, before: $before) {
    totalCount
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    edges { cursor node { id name description parameters } }
  }
}
"""


@pytest.fixture
async def app(database: Database) -> AsyncGenerator[ServiceHarness]:
    async with harness(database) as app:
        yield app


async def test_lists_the_tools_of_the_installation_without_asking_postgres(app: ServiceHarness, make: Factory) -> None:
    member = await make.principal()
    with statements(app.database) as queries:
        answer = await app.ask(member, TOOLS)
    assert answer.one["totalCount"] == 3
    assert [tool["name"] for tool in answer.nodes] == ["current_time", "calculator", "wait"]
    assert answer.nodes[1] == {
        "id": global_id("Tool", tool_id("calculator")),
        "name": "calculator",
        "description": "What calculator does.",
        "parameters": {"type": "object", "properties": {}},
    }
    assert queries == []


async def test_pages_in_both_directions(app: ServiceHarness, make: Factory) -> None:
    member = await make.principal()
    front = await app.ask(member, TOOLS, first=2)
    assert [tool["name"] for tool in front.nodes] == ["current_time", "calculator"]
    assert front.one["pageInfo"]["hasNextPage"] is True
    rest = await app.ask(member, TOOLS, first=2, after=front.one["pageInfo"]["endCursor"])
    assert [tool["name"] for tool in rest.nodes] == ["wait"]
    assert rest.one["pageInfo"]["hasNextPage"] is False
    back = await app.ask(member, TOOLS, last=1, before=rest.one["pageInfo"]["startCursor"])
    assert [tool["name"] for tool in back.nodes] == ["calculator"]
    assert back.one["pageInfo"]["hasPreviousPage"] is True


async def test_a_cursor_of_a_tool_that_went_is_refused(app: ServiceHarness, make: Factory) -> None:
    member = await make.principal()
    cursor = (await app.ask(member, TOOLS, first=1)).one["pageInfo"]["endCursor"]
    app.toolbox.names.remove("current_time")
    answer = await app.ask(member, TOOLS, after=cursor)
    assert answer.code == "INVALID_CURSOR"


async def test_a_tool_is_a_node(app: ServiceHarness, make: Factory) -> None:
    member = await make.principal()
    ids = [global_id("Tool", tool_id(name)) for name in ("wait", "teleport")]
    answer = await app.ask(member, "query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Tool { name } } }", ids=ids)
    assert answer.data == {"nodes": [{"name": "wait"}, None]}


async def test_strangers_see_no_tools(app: ServiceHarness) -> None:
    assert (await app.ask(None, TOOLS)).code == "UNAUTHENTICATED"
