"""What errors give away, what is kept of documents, and what hostile ones do to others."""

import asyncio
import json
from collections.abc import AsyncGenerator

import httpx2
import pytest
import pytest_asyncio

from nexent_gql.api.schema.build import ApiSchema
from nexent_gql.api.settings import ApiLimits, ApiSettings
from tests.support.api_server import Api, serve
from tests.support.hostile_documents import nested_fragments
from tests.support.stopwatch import Stopwatch
from tests.support.toy_schema import MODULE

pytestmark = pytest.mark.asyncio(loop_scope="module")
BUDGET_S = 0.25  # of CPU, on a machine that is busy with other tests; alone it is below 50 ms


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api() -> AsyncGenerator[Api]:
    async with serve() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http() -> AsyncGenerator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(trust_env=False, timeout=10) as client:
        yield client


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("{ hellu }", {}),
        ("{ toys(frist: 1) { totalCount } }", {}),
        ("{ hello @skp(if: true) }", {}),
        ("{ node(id: 1) { ... on Toyy { id } } }", {}),
        ("mutation ($i: BreakToyInput!) { breakToy(input: $i) { __typename } }", {"i": {"idd": "x", "how": "ok"}}),
        ("mutation ($i: BreakToyInputt!) { breakToy(input: $i) { __typename } }", {"i": {}}),
    ],
)
async def test_errors_suggest_nothing(api: Api, http: httpx2.AsyncClient, query: str, variables: object) -> None:
    response = await http.post(api.url, json={"query": query, "variables": variables})
    assert response.json()["errors"]
    assert "Did you mean" not in response.text
    assert "hello" not in response.text


async def test_a_repeated_document_is_prepared_once(api: Api, http: httpx2.AsyncClient) -> None:
    query = "query Once { hello toys { totalCount } }"
    await http.post(api.url, json={"query": query}, headers={"Authorization": "Bearer developer"})
    prepared = api.schema.documents.prepare(query)
    for _ in range(3):
        await http.post(api.url, json={"query": query}, headers={"Authorization": "Bearer developer"})
    assert api.schema.documents.prepare(query) is prepared


async def test_the_cache_is_bounded_in_tokens_and_keeps_what_is_used() -> None:
    documents = ApiSchema.of([MODULE], ApiLimits(cached_tokens=20)).documents
    first = documents.prepare("{ a: hello }")
    for number in range(30):
        assert not documents.prepare(f"{{ b{number}: hello }}").errors
        assert documents.prepare("{ a: hello }") is first
    assert documents.tokens <= 20
    documents.prepare("{ nope }")
    assert documents.tokens <= 20


def long_document(name: str) -> str:
    """Return a valid document that takes long to validate."""
    toys = " ".join("... on Query { toys(first: 1) { edges { node { id name } } } }" for _ in range(20))
    return f"query {name} {{ {toys} }}"


async def test_the_loop_turns_while_a_long_document_is_validated() -> None:
    documents, turns = ApiSchema.of([MODULE], ApiLimits(fields=200, aliases=100)).documents, 0

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    turning = asyncio.create_task(turn())
    prepared, again = await asyncio.gather(*(documents.prepare_in_thread(long_document("Long")) for _ in range(2)))
    turning.cancel()
    assert not prepared.errors
    assert turns > 10  # 2 where the loop does the work itself
    assert prepared is again  # as after a restart, when all clients send the same again at once
    assert documents.recall(long_document("Long")) is prepared


async def test_a_document_that_waits_too_long_for_its_validation_is_told_so(http: httpx2.AsyncClient) -> None:
    async with serve(ApiSettings(limits=ApiLimits(query_s=0.001, fields=200, aliases=100))) as api:
        response = await http.post(api.url, json={"query": long_document("Late")})
    assert response.json()["errors"][0]["extensions"]["code"] == "DEADLINE_EXCEEDED"


async def test_a_hostile_body_leaves_others_alone(api: Api, http: httpx2.AsyncClient) -> None:
    body = json.dumps({"query": nested_fragments(60)}).encode()
    headers = {"Content-Type": "application/json"}
    for _ in range(20):
        assert (await http.post(api.url, content=body, headers=headers)).json()["errors"]
    watch = Stopwatch()
    assert (await http.post(api.url, json={"query": "{ hello }"})).json() == {"data": {"hello": "Hello you"}}
    assert watch.elapsed_s() < BUDGET_S
