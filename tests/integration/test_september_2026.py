"""GraphQL September 2026 on every transport: empty selection sets, `@oneOf`, directives on directives."""

import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from nexent_gql.adapters.budgets_memory import MemoryBudgets
from nexent_gql.api.limits.cost import FieldTable
from tests.support.api_server import Api, serve
from tests.support.sockets import ready

pytestmark = pytest.mark.asyncio(loop_scope="module")
DEVELOPER = {"Authorization": "Bearer developer"}
STRICT = {"Accept": "application/graphql-response+json", **DEVELOPER}
EMPTY: dict[str, tuple[object, int]] = {
    "{ }": ({}, 0),
    "query Named { }": ({}, 0),
    "mutation { }": ({}, 0),
    "{ ... { } }": ({}, 0),
    "{ ...F } fragment F on Query { }": ({}, 0),
    "{ ... @include(if: false) { } hello }": ({"hello": "Hello you"}, 0),
    "{ toys(first: 2) { } }": ({"toys": {}}, 0),
    "{ toys(first: 2) { edges { } } }": ({"toys": {"edges": [{}, {}]}}, 0),
    "{ toys(first: 2) { edges { node { } } } }": ({"toys": {"edges": [{"node": {}}, {"node": {}}]}}, 2),
    "{ toys(first: 1) { edges { node { neighbours { } } } } }": (
        {"toys": {"edges": [{"node": {"neighbours": [{}]}}]}},
        11,
    ),
    '{ node(id: "VG95OjAwMDAwMDAwLTAwMDAtMDAwMC0wMDAwLTAwMDAwMDAwMDAwMQ==") { } }': ({"node": {}}, 1),
    "{ __schema { } }": ({"__schema": {}}, 10),
    "{ hello ... @defer { } }": ({"hello": "Hello you"}, 0),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api() -> AsyncGenerator[Api]:
    async with serve(budgets=MemoryBudgets()) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http() -> AsyncGenerator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(trust_env=False, timeout=10) as client:
        yield client


async def post(http: httpx2.AsyncClient, api: Api, query: str, **variables: object) -> tuple[int, Any]:
    answer = await http.post(api.url, json={"query": query, "variables": variables}, headers=STRICT)
    return answer.status_code, answer.json()


@pytest.mark.parametrize("query", EMPTY)
async def test_empty_selection_sets_are_answered_and_charged(api: Api, http: httpx2.AsyncClient, query: str) -> None:
    data, nodes = EMPTY[query]
    for _ in range(2):  # first compiled, then kept
        status, answer = await post(http, api, query)
        assert (status, answer["data"]) == (200, data)
        assert answer["extensions"]["cost"]["requested"] == 1 + nodes


@pytest.mark.parametrize("query", EMPTY)
async def test_empty_selection_sets_on_sockets_and_streams(api: Api, http: httpx2.AsyncClient, query: str) -> None:
    async with ready(api) as socket:
        await socket.subscribe("a", query)
        (answer, complete) = await socket.all_of("a")
        assert (answer["payload"]["data"], complete["type"]) == (EMPTY[query][0], "complete")
    headers = {**DEVELOPER, "Accept": "text/event-stream"}
    streamed = await http.post(api.url, json={"query": query}, headers=headers)
    assert json.loads(streamed.text.split("data: ", 1)[1].split("\n", 1)[0])["data"] == EMPTY[query][0]


@pytest.mark.parametrize("form", ["incrementalSpec=v0.2", "deferSpec=20220824"])
async def test_an_empty_deferred_fragment_defers_nothing(api: Api, http: httpx2.AsyncClient, form: str) -> None:
    headers = {**DEVELOPER, "Accept": f"multipart/mixed;{form}, application/json"}
    answer = await http.post(api.url, json={"query": "{ hello ... @defer { } }"}, headers=headers)
    assert answer.status_code == 200
    assert '"hello":"Hello you"' in answer.text


async def test_events_with_an_empty_selection(api: Api, http: httpx2.AsyncClient) -> None:
    query = "subscription { ticks(upto: 2) { } }"
    async with ready(api) as socket:
        await socket.subscribe("a", query)
        frames = await socket.all_of("a")
        assert [frame.get("payload") for frame in frames] == [{"data": {"ticks": {}}}] * 2 + [None]
    headers = {**DEVELOPER, "Accept": "text/event-stream"}
    streamed = await http.post(api.url, json={"query": query}, headers=headers)
    assert streamed.text.startswith('event: next\nid: 1\ndata: {"data":{"ticks":{}}}\n\n')
    headers["Accept"] = "multipart/mixed;subscriptionSpec=1.0"
    assert (
        '{"payload":{"data":{"ticks":{}}}}' in (await http.post(api.url, json={"query": query}, headers=headers)).text
    )


@pytest.mark.parametrize(
    "query", ["subscription { }", "{ hello { } }", "{ toys }", "{ toys(first: 101) { edges { node { id { } } } } }"]
)
async def test_what_the_edition_still_refuses(api: Api, http: httpx2.AsyncClient, query: str) -> None:
    status, answer = await post(http, api, query)
    assert (status, answer["errors"][0]["extensions"]["code"]) == (400, "GRAPHQL_VALIDATION_FAILED")
    assert "data" not in answer


CHOOSE = "query ($by: ToyChoice!) { choose(by: $by) }"


@pytest.mark.parametrize(
    ("query", "variables", "member"),
    [
        ('{ choose(by: {name: "x"}) }', {}, "name x"),
        ("query ($n: String!) { choose(by: {name: $n}) }", {"n": "y"}, "name y"),
        (CHOOSE, {"by": {"id": "z"}}, "id z"),
    ],
)
async def test_one_of_takes_exactly_one(
    api: Api, http: httpx2.AsyncClient, query: str, variables: dict[str, object], member: str
) -> None:
    assert (await post(http, api, query, **variables))[1]["data"] == {"choose": member}


@pytest.mark.parametrize(
    ("query", "variables", "code"),
    [
        ("{ choose(by: {}) }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ('{ choose(by: {name: "x", id: "y"}) }', {}, "GRAPHQL_VALIDATION_FAILED"),
        ("{ choose(by: {name: null}) }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ('{ choose(by: {name: "x", id: null}) }', {}, "GRAPHQL_VALIDATION_FAILED"),
        ("query ($n: String) { choose(by: {name: $n}) }", {"n": "x"}, "GRAPHQL_VALIDATION_FAILED"),
        ('query ($n: String = "x") { choose(by: {name: $n}) }', {}, "GRAPHQL_VALIDATION_FAILED"),
        (CHOOSE, {"by": {}}, "BAD_USER_INPUT"),
        (CHOOSE, {"by": {"name": "x", "id": "y"}}, "BAD_USER_INPUT"),
        (CHOOSE, {"by": {"name": None}}, "BAD_USER_INPUT"),
        (CHOOSE, {"by": {"name": "x", "id": None}}, "BAD_USER_INPUT"),
    ],
)
async def test_one_of_refuses_anything_else(
    api: Api, http: httpx2.AsyncClient, query: str, variables: dict[str, object], code: str
) -> None:
    status, answer = await post(http, api, query, **variables)
    assert (status, answer["errors"][0]["extensions"]["code"]) == (400, code)
    async with ready(api) as socket:
        await socket.subscribe("a", query, **variables)
        (refused,) = await socket.all_of("a")
        assert (refused["type"], refused["payload"][0]["extensions"]["code"]) == ("error", code)


@pytest.mark.parametrize(
    "query",
    [
        "{ hello } directive @b @skip(if: true) on FIELD",
        "{ hello } extend directive @skip @skip(if: true)",
        "directive @a on DIRECTIVE_DEFINITION",
        "{ hello } " + "directive @b " + "@b " * 300 + "on FIELD",
    ],
)
async def test_definitions_of_directives_are_refused_in_requests(
    api: Api, http: httpx2.AsyncClient, query: str
) -> None:
    status, answer = await post(http, api, query)
    assert (status, answer["errors"][0]["extensions"]["code"]) == (400, "GRAPHQL_VALIDATION_FAILED")
    assert len(answer["errors"]) <= 10


async def test_a_schema_may_put_directives_on_directives() -> None:
    sdl = (
        "directive @b on DIRECTIVE_DEFINITION directive @a @b on FIELD_DEFINITION extend directive @a @c "
        "directive @c on DIRECTIVE_DEFINITION "
        "type Query { things: [Thing!]! @a } type Thing { id: ID! }"
    )
    field = FieldTable(sdl).find("Query", "things")
    assert field is not None
    assert (field.type_name, field.many) == ("Thing", True)
