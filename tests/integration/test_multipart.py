"""Apollo's multipart subscriptions: a delimiter behind each part, so that a client can read it at once."""

from collections.abc import AsyncGenerator

import httpx2
import pytest
import pytest_asyncio

from nexent_gql.api.settings import ApiSettings
from tests.support import toy_schema
from tests.support.api_server import Api, serve
from tests.support.waiting import eventually

ACCEPT = "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/json"
MEDIA = 'multipart/mixed; boundary="graphql"; subscriptionSpec=1.0'
HEAD = "\r\ncontent-type: application/json; charset=utf-8\r\n\r\n"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(autouse=True)
def forget() -> None:
    toy_schema.forget()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api() -> AsyncGenerator[Api]:
    async with serve(ApiSettings(heartbeat_s=0.1)) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http() -> AsyncGenerator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(trust_env=False, timeout=10) as client:
        yield client


async def ask(
    http: httpx2.AsyncClient, api: Api, query: str, *, accept: str = ACCEPT, token: str = "developer"
) -> httpx2.Response:
    headers = {"Accept": accept, "Authorization": f"Bearer {token}"}
    return await http.post(api.url, json={"query": query}, headers=headers)


async def parts(http: httpx2.AsyncClient, api: Api, query: str, *, token: str = "developer") -> list[str]:
    response = await ask(http, api, query, token=token)
    assert response.headers["content-type"] == MEDIA
    begin, *between, end = response.text.split("\r\n--graphql")
    assert (begin, end) == ("", "--\r\n")
    assert all(part.startswith(HEAD) for part in between)
    return [part.removeprefix(HEAD) for part in between]


async def test_each_result_is_the_payload_of_a_part(api: Api, http: httpx2.AsyncClient) -> None:
    assert await parts(http, api, "subscription { ticks(upto: 2) { cursor } }") == [
        '{"payload":{"data":{"ticks":{"cursor":"1"}}}}',
        '{"payload":{"data":{"ticks":{"cursor":"2"}}}}',
    ]


async def test_a_part_can_be_read_before_the_next_one_comes(api: Api, http: httpx2.AsyncClient) -> None:
    headers = {"Accept": ACCEPT, "Authorization": "Bearer developer"}
    body = {"query": "subscription { ticks(upto: 3, everyS: 30) { cursor } }"}
    async with http.stream("POST", api.url, json=body, headers=headers) as response:
        chunks = response.aiter_text()
        assert await anext(chunks) == "\r\n--graphql"
        assert await anext(chunks) == f"{HEAD}{{}}\r\n--graphql"
    await eventually(lambda: toy_schema.CANCELLED == ["ticks"])


async def test_bugs_and_ended_credentials_are_parts_with_codes(api: Api, http: httpx2.AsyncClient) -> None:
    *_, bug = await parts(http, api, "subscription { ticks(upto: 2, failAt: 2) { cursor } }")
    assert "INTERNAL_SERVER_ERROR" in bug
    assert "secret" not in bug
    *_, ended = await parts(http, api, "subscription { ticks(upto: 3, everyS: 30) { cursor } }", token="short")
    assert "SESSION_ENDED" in ended


async def test_only_subscriptions_have_parts(api: Api, http: httpx2.AsyncClient) -> None:
    query = await ask(http, api, "{ hello }")
    assert (query.headers["content-type"], query.json()) == (
        "application/json; charset=utf-8",
        {"data": {"hello": "Hello you"}},
    )
    refused = await ask(http, api, "subscription { nope }")
    assert refused.json()["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


async def test_who_takes_any_multipart_is_not_taken_for_apollo(api: Api, http: httpx2.AsyncClient) -> None:
    urql = "application/graphql-response+json, application/json, text/event-stream, multipart/mixed"
    stream = await ask(http, api, "subscription { ticks(upto: 1) { cursor } }", accept=urql)
    assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
    bare = await ask(http, api, "subscription { ticks(upto: 1) { cursor } }", accept="multipart/mixed")
    assert (bare.status_code, bare.json()["errors"][0]["extensions"]["code"]) == (406, "NOT_ACCEPTABLE")


async def test_the_more_wanted_stream_wins(api: Api, http: httpx2.AsyncClient) -> None:
    stream = await ask(http, api, "subscription { ticks(upto: 1) { cursor } }", accept=f"text/event-stream,{ACCEPT}")
    assert stream.headers["content-type"] == MEDIA
    less = ACCEPT.replace("subscriptionSpec=1.0", "subscriptionSpec=1.0;q=0.5")
    stream = await ask(
        http, api, "subscription { ticks(upto: 1) { cursor } }", accept=f"text/event-stream,{less};q=0.5"
    )
    assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
