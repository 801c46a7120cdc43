"""`@defer` over HTTP: the same data in parts, in both forms that clients know, or at once for those that know none."""

import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from nexent_gql.api.settings import ApiLimits, ApiSettings
from tests.support import toy_schema
from tests.support.api_server import Api, serve
from tests.support.waiting import eventually

NEWER = "multipart/mixed;incrementalSpec=v0.2,application/json"
OLDER = "multipart/mixed;deferSpec=20220824,application/json"
SLOW = '{ hello ... @defer(label: "later") { slept: sleep(seconds: 0.01) hello } }'
HEAD = "\r\ncontent-type: application/json; charset=utf-8\r\n\r\n"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(autouse=True)
def forget() -> None:
    toy_schema.forget()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api() -> AsyncGenerator[Api]:
    async with serve(ApiSettings(limits=ApiLimits(query_s=1))) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http() -> AsyncGenerator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(trust_env=False, timeout=10) as client:
        yield client


async def ask(http: httpx2.AsyncClient, api: Api, query: str, accept: str, **variables: object) -> httpx2.Response:
    headers = {"Accept": accept, "Authorization": "Bearer developer"}
    return await http.post(api.url, json={"query": query, "variables": variables}, headers=headers)


async def parts(
    http: httpx2.AsyncClient, api: Api, query: str, accept: str, **variables: object
) -> list[dict[str, Any]]:
    response = await ask(http, api, query, accept, **variables)
    form = accept.partition(";")[2].partition(",")[0]
    assert response.headers["content-type"] == f'multipart/mixed; boundary="graphql"; {form}'
    begin, *between, end = response.text.split("\r\n--graphql")
    assert (begin, end) == ("", "--\r\n")
    return [json.loads(part.removeprefix(HEAD)) for part in between]


def merged(answers: list[dict[str, Any]]) -> Mapping[str, Any]:
    """Put the parts of the older form together, as its clients do."""
    data = answers[0]["data"]
    for part in (part for answer in answers for part in answer.get("incremental", [])):
        place = data
        for step in part["path"]:
            place = place[step]
        place.update(part["data"])
    return data


async def test_the_newer_form(api: Api, http: httpx2.AsyncClient) -> None:
    first, *rest = await parts(http, api, SLOW, NEWER)
    assert first == {
        "data": {"hello": "Hello you"},
        "pending": [{"id": "0", "path": [], "label": "later"}],
        "hasNext": True,
    }
    assert rest == [
        {"incremental": [{"data": {"slept": True}, "id": "0"}], "completed": [{"id": "0"}], "hasNext": False}
    ]


async def test_the_older_form(api: Api, http: httpx2.AsyncClient) -> None:
    assert await parts(http, api, SLOW, OLDER) == [
        {"data": {"hello": "Hello you"}, "hasNext": True},
        {"incremental": [{"data": {"slept": True}, "path": [], "label": "later"}], "hasNext": False},
    ]


async def test_parts_below_lists_are_those_of_the_whole(api: Api, http: httpx2.AsyncClient) -> None:
    query = (
        "query ($defer: Boolean = true) { toys(first: 3) { edges { node { id "
        "... on Toy @defer(if: $defer) { name neighbours { name ...Deep @defer } } } } } } "
        "fragment Deep on Toy { id neighbours { id } }"
    )
    whole = (await ask(http, api, query, "application/json")).json()["data"]
    assert whole["toys"]["edges"][1]["node"]["neighbours"][0]["name"] == "toy 1"
    answers = await parts(http, api, query, OLDER)
    assert len(answers) > 1
    assert merged(answers) == whole


@pytest.mark.parametrize("accept", [OLDER, NEWER])
async def test_nothing_deferred_is_one_json_answer(api: Api, http: httpx2.AsyncClient, accept: str) -> None:
    data = {"hello": "Hello you", "moved": "Hello you"}
    by_variable = "query ($defer: Boolean!) { hello ... @defer(if: $defer) { moved: hello } }"
    for query, variables in ((by_variable, {"defer": False}), ("{ hello ... @defer(if: false) { moved: hello } }", {})):
        answer = await ask(http, api, query, f"{accept}, application/json", **variables)
        assert answer.headers["content-type"] == "application/json; charset=utf-8"
        assert answer.json() == {"data": data}
    only_parts = accept.split(",", maxsplit=1)[0]
    assert await parts(http, api, by_variable, only_parts, defer=False) == [{"data": data, "hasNext": False}]


@pytest.mark.parametrize("accept", [OLDER, NEWER])
async def test_request_errors_look_as_without_defer(api: Api, http: httpx2.AsyncClient, accept: str) -> None:
    query = "query ($n: Int!) { hello ... @defer { toys(first: $n) { totalCount } } }"
    response = await ask(http, api, query, f"{accept}, application/graphql-response+json", n="x")
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/graphql-response+json; charset=utf-8"
    assert set(response.json()) == {"errors"}
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize("accept", ["application/json", "multipart/mixed;subscriptionSpec=1.0,application/json"])
async def test_who_takes_no_parts_gets_all_at_once(api: Api, http: httpx2.AsyncClient, accept: str) -> None:
    response = await ask(http, api, SLOW, accept)
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert response.json() == {"data": {"hello": "Hello you", "slept": True}}


@pytest.mark.parametrize("accept", [OLDER, NEWER])
async def test_a_bug_in_a_part_is_masked(api: Api, http: httpx2.AsyncClient, accept: str) -> None:
    query = '{ hello ... @defer { broken(how: "bug") } ... @defer { known: broken(how: "missing") } }'
    text = (await ask(http, api, query, accept)).text
    assert "INTERNAL_SERVER_ERROR" in text
    assert "errorId" in text
    assert "secret" not in text
    assert "There is no such toy." in text


@pytest.mark.parametrize("accept", [OLDER, NEWER])
async def test_parts_have_the_deadline_of_their_query(api: Api, http: httpx2.AsyncClient, accept: str) -> None:
    first, last = await parts(http, api, "{ hello ... @defer { sleep(seconds: 30) } }", accept)
    assert first["data"] == {"hello": "Hello you"}
    assert last["hasNext"] is False
    (part,) = last.get("incremental") or last["completed"]
    assert [error["extensions"]["code"] for error in part["errors"]] == ["DEADLINE_EXCEEDED"]
    await eventually(lambda: toy_schema.CANCELLED == ["sleep"])


async def test_leaving_cancels_what_was_deferred(api: Api, http: httpx2.AsyncClient) -> None:
    headers = {"Accept": OLDER, "Authorization": "Bearer developer"}
    body = {"query": "{ hello ... @defer { sleep(seconds: 0.9) } }"}
    async with http.stream("POST", api.url, json=body, headers=headers) as response:
        chunks = response.aiter_text()
        assert "Hello you" not in await anext(chunks)
        assert "Hello you" in await anext(chunks)
    await eventually(lambda: toy_schema.CANCELLED == ["sleep"])


async def test_what_may_not_be_deferred(api: Api, http: httpx2.AsyncClient) -> None:
    subscription = await ask(http, api, "subscription { ticks(upto: 1) { ... @defer { cursor } } }", OLDER)
    assert subscription.json()["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    mutation = await ask(http, api, "mutation { nap(seconds: 0) ... @defer { again: nap(seconds: 0) } }", OLDER)
    assert mutation.json()["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
