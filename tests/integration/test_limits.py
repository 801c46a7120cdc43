"""Hostile requests against a real server: each refused with its code, quickly, and the caches still work."""

import json
import time
from collections.abc import AsyncGenerator

import httpx2
import pytest
import pytest_asyncio

from nexent_gql.api.schema import ApiSchema
from nexent_gql.api.settings import ApiLimits
from tests.support.api_server import Api, serve
from tests.support.toy_face import FACE

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


def nested_fragments(count: int) -> str:
    bodies = [f"fragment F{n} on Toy {{ ...F{n + 1} ...F{n + 1} }}" for n in range(count)]
    return " ".join(["{ toys { edges { node { ...F0 } } } }", *bodies, f"fragment F{count} on Toy {{ name }}"])


HOSTILE = {
    "nested fragments": (nested_fragments(20), "QUERY_TOO_COMPLEX"),
    "many nested fragments": (nested_fragments(90), "QUERY_TOO_COMPLEX"),
    "cyclic fragments": (
        "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }",
        "GRAPHQL_VALIDATION_FAILED",
    ),
    "deep": ("{toys{edges{node" * 5 + "{id}" + "}}}" * 5, "QUERY_TOO_COMPLEX"),
    "very deep": ("{a" * 900 + "}" * 900, "GRAPHQL_PARSE_FAILED"),
    "braces": ("{" * 1_900, "GRAPHQL_PARSE_FAILED"),
    "lists in literals": ("{hello(name:" + "[" * 1_900 + "]" * 50, "GRAPHQL_PARSE_FAILED"),
    "aliases": ("{" + " ".join(f"a{n}:hello" for n in range(600)) + "}", "QUERY_TOO_COMPLEX"),
    "aliases below": ("{toys{" + " ".join(f"a{n}:totalCount" for n in range(600)) + "}}", "QUERY_TOO_COMPLEX"),
    "repeated fields": ("{toys{" + "edges{cursor}" * 450 + "}}", "QUERY_TOO_COMPLEX"),
    "directives": ("{hello" + "@skip(if:false)" * 200 + "}", "QUERY_TOO_COMPLEX"),
    "unknown directives": ("{hello" + "@aa" * 900 + "}", "QUERY_TOO_COMPLEX"),
    "unknown fields": ("{toys{" + " ".join(f"a{n}" for n in range(1_900)) + "}}", "GRAPHQL_VALIDATION_FAILED"),
    "tokens": ("{" + "hello " * 5_000 + "}", "GRAPHQL_PARSE_FAILED"),
    "a name of 60 kB": ("{" + "a" * 60_000 + "}", "GRAPHQL_VALIDATION_FAILED"),
    "a document of 900 kB": ("{" + "a" * 900_000 + "}", "QUERY_TOO_COMPLEX"),
    "a document of 900 kB of tokens": ("{a " * 300_000, "QUERY_TOO_COMPLEX"),
    "introspection below itself": (
        "{__schema{types{fields{type" + "{fields{type" * 8 + "{name}" + "}}" * 8 + "}}}}",
        "QUERY_TOO_COMPLEX",
    ),
    "introspection of 8 levels": (
        "{__schema{types{fields{type" + "{fields{type" * 2 + "{name}" + "}}" * 2 + "}}}}",
        "GRAPHQL_VALIDATION_FAILED",
    ),
    "a number of 5,000 digits": ("{toys(first:" + "9" * 5_000 + "){totalCount}}", "GRAPHQL_VALIDATION_FAILED"),
    "variables": (
        "query(" + " ".join(f"$v{n}:Int" for n in range(450)) + "){hello}",
        "GRAPHQL_VALIDATION_FAILED",
    ),
    "pages in pages": (
        "{toys(first:100){edges{node{toys(first:100){edges{node{toys(first:100){edges{node{id}}}}}}}}}}",
        "COST_LIMIT_EXCEEDED",
    ),
}


async def _timed(http: httpx2.AsyncClient, api: Api, query: str) -> tuple[httpx2.Response, float]:
    began = time.process_time()
    response = await http.post(api.url, json={"query": query}, headers={"Authorization": "Bearer developer"})
    return response, time.process_time() - began


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_documents_are_refused_quickly(api: Api, http: httpx2.AsyncClient, name: str) -> None:
    query, code = HOSTILE[name]
    asked = [await _timed(http, api, query) for _ in range(3)]
    response = asked[0][0]
    errors = response.json()["errors"]
    assert errors[0]["extensions"]["code"] == code
    assert len(errors) <= 10
    assert all(len(error["message"]) <= 300 for error in errors)
    assert len(response.content) < 20_000
    assert min(spent_s for _, spent_s in asked) < BUDGET_S  # a busy core makes any one of them dearer


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
    documents = ApiSchema.of([FACE], ApiLimits(cached_tokens=20)).documents
    first = documents.prepare("{ a: hello }")
    for number in range(30):
        assert not documents.prepare(f"{{ b{number}: hello }}").errors
        assert documents.prepare("{ a: hello }") is first
    assert documents.tokens <= 20
    documents.prepare("{ nope }")
    assert documents.tokens <= 20


async def test_a_hostile_body_leaves_others_alone(api: Api, http: httpx2.AsyncClient) -> None:
    body = json.dumps({"query": nested_fragments(60)}).encode()
    headers = {"Content-Type": "application/json"}
    for _ in range(20):
        assert (await http.post(api.url, content=body, headers=headers)).json()["errors"]
    began = time.perf_counter()
    assert (await http.post(api.url, json={"query": "{ hello }"})).json() == {"data": {"hello": "Hello you"}}
    assert time.perf_counter() - began < BUDGET_S
