"""GraphQL over HTTP, against a real server over real sockets."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID

import httpx2
import pytest
import pytest_asyncio

from nexent_gql.api.schema.relay import global_id
from nexent_gql.api.settings import ApiLimits, ApiSettings
from nexent_gql.telemetry import configure_logging
from tests.support import toy_schema
from tests.support.api_server import Api, ToyCheck, serve
from tests.support.waiting import eventually

RESPONSE_JSON = "application/graphql-response+json"
PLAIN_JSON = "application/json"


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api() -> AsyncGenerator[Api]:
    async with serve() as running:
        yield running


@pytest.fixture(autouse=True)
def forget() -> None:
    toy_schema.forget()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http() -> AsyncGenerator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(trust_env=False, timeout=10) as client:
        yield client


async def post(http: httpx2.AsyncClient, api: Api, query: str, **options: Any) -> httpx2.Response:  # noqa: ANN401
    token, accept = options.pop("token", "developer"), options.pop("accept", RESPONSE_JSON)
    headers = {"Accept": accept} | ({"Authorization": f"Bearer {token}"} if token else {})
    return await http.post(api.url, json={"query": query, **options}, headers=headers)


def code(response: httpx2.Response) -> str:
    return response.json()["errors"][0]["extensions"]["code"]


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("", PLAIN_JSON),
        ("*/*", PLAIN_JSON),
        ("application/*", PLAIN_JSON),
        (PLAIN_JSON, PLAIN_JSON),
        (RESPONSE_JSON, RESPONSE_JSON),
        (f"{PLAIN_JSON}, {RESPONSE_JSON}", RESPONSE_JSON),
        (f"{RESPONSE_JSON};q=0.5, {PLAIN_JSON};q=0.9", PLAIN_JSON),
        (f"{RESPONSE_JSON}; charset=utf-8, {PLAIN_JSON}; charset=utf-8", RESPONSE_JSON),
        (f"text/html;q=0.1, {PLAIN_JSON.upper()}", PLAIN_JSON),
        (f"text/event-stream, {PLAIN_JSON}", PLAIN_JSON),
        (f"{RESPONSE_JSON}, application/graphql+json, {PLAIN_JSON}, text/event-stream, multipart/mixed", RESPONSE_JSON),
    ],
)
async def test_answers_in_the_media_type_that_the_client_prefers(
    api: Api, http: httpx2.AsyncClient, accept: str, media: str
) -> None:
    response = await post(http, api, "{ hello }", accept=accept)
    assert response.status_code == 200
    assert response.headers["content-type"] == f"{media}; charset=utf-8"
    assert response.headers["vary"] == "Accept, Authorization"
    assert response.json() == {"data": {"hello": "Hello you"}}


@pytest.mark.parametrize("accept", ["image/png", "application/xml, text/html", f"{PLAIN_JSON};q=0"])
async def test_refuses_what_it_cannot_answer_with(api: Api, http: httpx2.AsyncClient, accept: str) -> None:
    response = await post(http, api, "{ hello }", accept=accept)
    assert (response.status_code, code(response)) == (406, "NOT_ACCEPTABLE")


@pytest.mark.parametrize(
    ("query", "options", "expected", "status"),
    [
        ("{", {}, "GRAPHQL_PARSE_FAILED", 400),
        ("", {}, "BAD_REQUEST", 400),
        ("fragment F on Toy { id }", {}, "GRAPHQL_VALIDATION_FAILED", 400),
        ("{ nope }", {}, "GRAPHQL_VALIDATION_FAILED", 400),
        ("query A { hello } query B { hello }", {}, "BAD_REQUEST", 400),
        ("query A { hello }", {"operationName": "B"}, "BAD_REQUEST", 400),
        ("query ($n: String!) { hello(name: $n) }", {"variables": {"n": 7}}, "BAD_USER_INPUT", 400),
        ("query ($n: String!) { hello(name: $n) }", {}, "BAD_USER_INPUT", 400),
        ("{ hello(name: 7) }", {}, "GRAPHQL_VALIDATION_FAILED", 400),
        ('{ moment(at: "yesterday") }', {}, "GRAPHQL_VALIDATION_FAILED", 400),
        ("mutation { nap(seconds: 0) }", {"token": "reader"}, "READ_ONLY_CREDENTIAL", 403),
        ("{ __schema { queryType { name } } }", {"token": None}, "INTROSPECTION_DISABLED", 403),
        ("subscription { ticks(upto: 1) { cursor } }", {}, "NOT_ACCEPTABLE", 406),
    ],
)
async def test_refused_requests_have_a_status_a_code_and_no_data(
    api: Api, http: httpx2.AsyncClient, query: str, options: dict[str, Any], expected: str, status: int
) -> None:
    response = await post(http, api, query, **options)
    assert (response.status_code, code(response)) == (status, expected)
    assert "data" not in response.json()


async def test_clients_of_plain_json_get_200_for_refused_documents(api: Api, http: httpx2.AsyncClient) -> None:
    for query in ("{", "{ nope }"):
        response = await post(http, api, query, accept=PLAIN_JSON)
        assert response.status_code == 200
        assert "data" not in response.json()


async def test_errors_of_fields_keep_200_and_data(api: Api, http: httpx2.AsyncClient) -> None:
    response = await post(http, api, '{ hello broken(how: "conflict") }')
    assert response.status_code == 200
    (error,) = response.json()["errors"]
    assert response.json()["data"] == {"hello": "Hello you", "broken": None}
    assert error["extensions"] == {"code": "CONFLICT", "details": {"since": "today"}}
    assert error["path"] == ["broken"]


@pytest.mark.usefixtures("plain_logs")
async def test_masks_bugs_and_gives_the_id_that_the_log_has(
    api: Api, http: httpx2.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging("json", "INFO")
    response = await post(http, api, '{ broken(how: "bug") }')
    (error,) = response.json()["errors"]
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert "secret" not in response.text
    (line,) = [text for text in capsys.readouterr().err.splitlines() if error["extensions"]["errorId"] in text]
    assert "toy_schema.py" in line
    assert "RuntimeError" in line


async def test_typed_errors_are_members_of_the_result(api: Api, http: httpx2.AsyncClient) -> None:
    query = """
    mutation ($input: BreakToyInput!) {
      breakToy(input: $input) {
        __typename ... on Error { message code } ... on ToyBusyError { holder } ... on ValidationError { path }
      }
    }"""
    toy = global_id("Toy", UUID(int=3))
    answers: dict[str, Any] = {}
    for how in ("busy", "missing", "rule"):
        response = await post(http, api, query, variables={"input": {"id": toy, "how": how}})
        answers[how] = response.json()["data"]["breakToy"]
    bad_id = (await post(http, api, query, variables={"input": {"id": "x", "how": "ok"}})).json()["data"]["breakToy"]
    member = (await post(http, api, query, variables={"input": {"id": toy, "how": "ok"}}, token="member")).json()
    assert answers == {
        "busy": {
            "__typename": "ToyBusyError",
            "message": "Ada plays with it.",
            "code": "CONFLICT",
            "holder": "Ada",
        },
        "missing": {"__typename": "NotFoundError", "message": "There is no such toy.", "code": "NOT_FOUND"},
        "rule": {
            "__typename": "ValidationError",
            "message": "It is broken already.",
            "code": "BAD_USER_INPUT",
            "path": ["input", "id"],
        },
    }
    assert (bad_id["code"], bad_id["path"]) == ("INVALID_ID", ["input", "id"])
    assert member["data"]["breakToy"]["__typename"] == "ForbiddenError"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
async def test_other_methods_are_told_which_ones_there_are(api: Api, http: httpx2.AsyncClient, method: str) -> None:
    response = await http.request(method, api.url)
    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD, POST")
    assert code(response) == "METHOD_NOT_ALLOWED"


async def test_get_runs_queries_only(api: Api, http: httpx2.AsyncClient) -> None:
    query = await http.get(
        api.url, params={"query": "query ($n: String!) { hello(name: $n) }", "variables": '{"n":"x"}'}
    )
    empty = await http.get(api.url, params={"query": "{ hello }", "variables": "", "operationName": ""})
    mutation = await http.get(api.url, params={"query": "mutation { nap(seconds: 0) }"})
    assert query.json() == {"data": {"hello": "Hello x"}}
    assert empty.json() == {"data": {"hello": "Hello you"}}
    assert (mutation.status_code, mutation.headers["allow"]) == (405, "POST")
    assert toy_schema.CANCELLED == []


async def test_a_browser_gets_the_page_and_a_program_does_not(api: Api, http: httpx2.AsyncClient) -> None:
    browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    page = await http.get(api.url, headers={"Accept": browser})
    query = await http.get(api.url, params={"query": "{ hello }"}, headers={"Accept": browser})
    assert page.headers["content-type"].startswith("text/html")
    assert query.json() == {"data": {"hello": "Hello you"}}
    assert (await http.get(api.url)).status_code == 400


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        ("Bearer nonsense", "UNAUTHENTICATED"),
        ("Bearer", "CREDENTIAL_MALFORMED"),
        ("Basic YTpi", "CREDENTIAL_MALFORMED"),
        ("Bearer " + "x" * 5_000, "CREDENTIAL_MALFORMED"),
    ],
)
async def test_a_bad_credential_is_401_also_for_public_fields(
    api: Api, http: httpx2.AsyncClient, authorization: str, expected: str
) -> None:
    response = await http.post(api.url, json={"query": "{ hello }"}, headers={"Authorization": authorization})
    assert (response.status_code, code(response)) == (401, expected)
    assert response.headers["www-authenticate"].startswith("Bearer")


async def test_what_fails_while_authenticating_is_told_apart(api: Api, http: httpx2.AsyncClient) -> None:
    down = await post(http, api, "{ hello }", token="down")
    bug = await post(http, api, "{ hello }", token="bug")
    assert (down.status_code, code(down)) == (503, "UNAVAILABLE")
    assert (bug.status_code, code(bug)) == (500, "INTERNAL_SERVER_ERROR")
    assert "db.internal" not in bug.text


async def test_without_a_credential_only_public_fields_answer(api: Api, http: httpx2.AsyncClient) -> None:
    response = await post(http, api, "{ hello toys { totalCount } }", token=None)
    assert (response.status_code, code(response)) == (200, "UNAUTHENTICATED")
    assert response.json()["data"] == {"hello": "Hello you", "toys": None}


async def test_pages_and_counts_only_what_is_asked(api: Api, http: httpx2.AsyncClient) -> None:
    page = "pageInfo { hasNextPage hasPreviousPage startCursor endCursor } edges { cursor node { name } }"
    first = (await post(http, api, f"{{ toys(first: 2) {{ {page} }} }}")).json()["data"]["toys"]
    assert toy_schema.COUNTS == []
    after = first["pageInfo"]["endCursor"]
    query = f"query ($after: String) {{ toys(first: 2, after: $after) {{ totalCount {page} }} }}"
    second = (await post(http, api, query, variables={"after": after})).json()["data"]["toys"]
    last = (await post(http, api, f"{{ toys(last: 1) {{ {page} }} }}")).json()["data"]["toys"]
    assert [edge["node"]["name"] for edge in first["edges"] + second["edges"]] == ["toy 1", "toy 2", "toy 3", "toy 4"]
    assert first["pageInfo"]["hasNextPage"]
    assert not first["pageInfo"]["hasPreviousPage"]
    assert second["pageInfo"]["hasPreviousPage"]
    assert [edge["node"]["name"] for edge in last["edges"]] == ["toy 30"]
    assert (second["totalCount"], toy_schema.COUNTS) == (30, [30])


@pytest.mark.parametrize(
    ("arguments", "expected", "field"),
    [
        ("first: 101", "INVALID_PAGE", "first"),
        ("first: -1", "INVALID_PAGE", "first"),
        ("last: 101", "INVALID_PAGE", "last"),
        ("first: 1, last: 1", "INVALID_PAGE", "last"),
        ('before: "x"', "INVALID_PAGE", "before"),
        ('last: 1, after: "x"', "INVALID_PAGE", "after"),
        ('first: 1, after: "x"', "INVALID_CURSOR", "after"),
        ('last: 1, before: "AQAGR0hGPsSAAAAAAAAAAAAAAAAAAAAAAg="', "INVALID_CURSOR", "before"),
        ('first: 1, after: ""', "INVALID_CURSOR", "after"),
    ],
)
async def test_bad_paging_names_the_argument(
    api: Api, http: httpx2.AsyncClient, arguments: str, expected: str, field: str
) -> None:
    response = await post(http, api, f"{{ toys({arguments}) {{ totalCount }} }}")
    assert code(response) == expected
    assert response.json()["errors"][0]["extensions"]["path"] == [field]


async def test_nodes_are_null_for_what_is_not_there_and_come_in_one_batch(api: Api, http: httpx2.AsyncClient) -> None:
    there, missing, also_there = (global_id("Toy", UUID(int=number)) for number in (3, 99, 4))
    ids = [there, "x", "VG95OjEyMw==", "VXNlcjox", "", missing, global_id("User", UUID(int=3)), also_there]
    query = """
    query ($one: ID!, $ids: [ID!]!) {
      nodes(ids: $ids) { id ... on Toy { name neighbours { name } } }
      node(id: $one) { id }
    }"""
    answer = (await post(http, api, query, variables={"ids": ids, "one": ids[0]})).json()["data"]
    names = [node and node["name"] for node in answer["nodes"]]
    assert names == ["toy 3", None, None, None, None, None, None, "toy 4"]
    assert answer["node"]["id"] == ids[0]
    assert len(toy_schema.BATCHES) == 2
    over = await post(http, api, "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", variables={"ids": ids * 20})
    assert code(over) == "INVALID_PAGE"


async def test_a_query_ends_with_its_client(api: Api) -> None:
    body = b'{"query":"{ sleep(seconds: 30) }"}'
    await _send_and_leave(api, body)
    await eventually(lambda: toy_schema.CANCELLED == ["sleep"])


async def test_a_mutation_does_not_end_with_its_client(api: Api) -> None:
    await _send_and_leave(api, b'{"query":"mutation { nap(seconds: 0.5) }"}')
    await eventually(lambda: toy_schema.CANCELLED == ["napped"])


async def _send_and_leave(api: Api, body: bytes) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", api.port)
    head = f"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await asyncio.sleep(0.2)
    writer.close()


async def test_operations_have_deadlines(http: httpx2.AsyncClient) -> None:
    async with serve(ApiSettings(limits=ApiLimits(query_s=0.2, mutation_s=0.4))) as api:
        query = await post(http, api, "{ sleep(seconds: 30) }")
        mutation = await post(http, api, "mutation { nap(seconds: 0.3) }")
        late = await post(http, api, "mutation { nap(seconds: 30) }")
    assert (query.status_code, code(query)) == (503, "DEADLINE_EXCEEDED")
    assert mutation.json() == {"data": {"nap": True}}
    assert code(late) == "DEADLINE_EXCEEDED"
    assert toy_schema.CANCELLED == ["sleep", "napped"]


async def test_health(http: httpx2.AsyncClient) -> None:
    async with serve(checks=[ToyCheck("postgres", None, 1), ToyCheck("redis", "ConnectionError", 3_000)]) as api:
        alive, ready = await http.get(f"{api.base}/healthz"), await http.get(f"{api.base}/readyz")
    assert (alive.status_code, alive.json()) == (200, {"status": "alive"})
    assert ready.status_code == 503
    assert ready.json() == {
        "status": "unavailable",
        "dependencies": [
            {"name": "postgres", "ok": True, "error": None, "latencyMs": 1},
            {"name": "redis", "ok": False, "error": "ConnectionError", "latencyMs": 3_000},
        ],
    }


async def test_what_the_api_can_do_without_is_told_and_does_not_make_it_unavailable(http: httpx2.AsyncClient) -> None:
    checks = [ToyCheck("postgres", None, 1), ToyCheck("queues", "No live worker serves: runs", 2, is_required=False)]
    async with serve(checks=checks) as api:
        ready = await http.get(f"{api.base}/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    assert ready.json()["dependencies"][1] == {
        "name": "queues",
        "ok": False,
        "error": "No live worker serves: runs",
        "latencyMs": 2,
    }


async def test_other_origins_are_let_in_by_setting_only(http: httpx2.AsyncClient) -> None:
    ask = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    async with serve() as closed:
        refused = await http.options(closed.url, headers=ask)
    async with serve(ApiSettings(allowed_origins=("https://app.example",))) as opened:
        allowed = await http.options(opened.url, headers=ask | {"Access-Control-Request-Headers": "authorization"})
        other = await http.options(opened.url, headers=ask | {"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in refused.headers
    assert allowed.headers["access-control-allow-origin"] == "https://app.example"
    assert "access-control-allow-origin" not in other.headers


async def test_every_answer_keeps_browsers_strict(api: Api, http: httpx2.AsyncClient) -> None:
    for path in ("/graphql", "/healthz", "/nothing"):
        response = await http.get(f"{api.base}{path}")
        assert response.headers["x-content-type-options"] == "nosniff"
    assert (response.status_code, code(response)) == (404, "NOT_FOUND")
