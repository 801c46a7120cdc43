"""The details of HTTP and of graphql-transport-ws, over real sockets."""

import json
import re
from collections.abc import AsyncGenerator

import httpx2
import pytest
import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from nexent_gql.api.settings import ApiSettings
from nexent_gql.api.transport.accept import read_accept
from tests.support.api_server import Api, serve
from tests.support.sockets import ready

pytestmark = pytest.mark.asyncio(loop_scope="module")
DEVELOPER = {"Authorization": "Bearer developer"}
STRICT = {"Accept": "application/graphql-response+json"}
HELLO = {"data": {"hello": "Hello you"}}
QUERY = "{ hello }"
DEFER = "{ hello ... @defer { later: hello } }"
TICKS = "subscription { ticks(upto: 1) { cursor } }"
JSON, RESPONSE = "application/json", "application/graphql-response+json"
EVENTS, PARTS = "text/event-stream", "multipart/mixed"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api() -> AsyncGenerator[Api]:
    async with serve() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http() -> AsyncGenerator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(trust_env=False, timeout=10) as client:
        yield client


@pytest.mark.parametrize(
    ("accept", "query", "media"),
    [
        (["image/png", JSON], QUERY, JSON),
        ([JSON, EVENTS], TICKS, EVENTS),
        ([f"{PARTS};subscriptionSpec=1.0, {PARTS};deferSpec=20220824, {JSON}"], TICKS, PARTS),
        ([f"{PARTS};deferSpec=20220824, {PARTS};subscriptionSpec=1.0, {JSON}"], TICKS, PARTS),
        ([f"{PARTS};subscriptionSpec=1.0, {PARTS};deferSpec=20220824, {JSON}"], DEFER, PARTS),
        ([f"{JSON}, {PARTS};q=0.1;incrementalSpec=v0.2"], DEFER, JSON),
        ([f"{JSON};q=0.1, {PARTS};incrementalSpec=v0.2;q=0.5"], DEFER, PARTS),
        ([f"{EVENTS};q=0.9, {PARTS};subscriptionSpec=1.0;q=0.1, {JSON}"], TICKS, EVENTS),
        ([f"{EVENTS};q=0.1, {PARTS};subscriptionSpec=1.0;q=0.9, {JSON}"], TICKS, PARTS),
        ([f"{PARTS};incrementalSpec=v0.2"], DEFER, PARTS),
        ([f"{PARTS};deferSpec=20220824"], DEFER, PARTS),
        ([f"{JSON};q=0, */*"], QUERY, None),
        ([f"{RESPONSE};q=0.5, {JSON};q=0.4"], QUERY, RESPONSE),
        (['application/json;profile="a,b;q=0", image/png'], QUERY, JSON),
        ([f"{JSON};q=0.1, {JSON}, {RESPONSE};q=0.5"], QUERY, JSON),
        (["application/*;q=0.2"], QUERY, JSON),
        ([f"{JSON};q=nan"], QUERY, None),
        (["", ", ,"], QUERY, JSON),
    ],
)
async def test_accept_is_a_list_of_media_ranges(
    api: Api, http: httpx2.AsyncClient, accept: list[str], query: str, media: str | None
) -> None:
    headers = [*DEVELOPER.items(), *(("Accept", line) for line in accept)]
    answer = await http.post(api.url, json={"query": query}, headers=headers)
    assert answer.status_code == (200 if media else 406)
    if media:
        assert answer.headers["content-type"].startswith(media)


async def test_a_quoted_comma_does_not_end_a_range() -> None:
    offer = read_accept('text/html;x="a, text/event-stream", application/json;q=0.5')
    assert (offer.prefers_stream, offer.prefers_page) == (False, True)


async def test_head_is_answered_like_get(api: Api, http: httpx2.AsyncClient) -> None:
    answer = await http.head(api.url, params={"query": QUERY})
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len('{"data":{"hello":"Hello you"}}'))
    page = await http.head(api.url, headers={"Accept": "text/html"})
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert (await http.head(api.url, params={"query": "mutation { nap(seconds: 0) }"})).status_code == 405
    ticks = await http.head(api.url, params={"query": TICKS}, headers={**DEVELOPER, "Accept": EVENTS})
    assert (ticks.status_code, ticks.headers["allow"]) == (405, "GET, POST")
    deferred = {"Accept": f"{PARTS};incrementalSpec=v0.2, {JSON}"}
    assert (await http.head(api.url, params={"query": DEFER}, headers=deferred)).status_code == 200


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json;v=2",
        "application/json; odata=verbose",
        "application/json; charset=utf-8;",
        'application/json; charset="UTF-8"; profile=x',
        "application/json; charset = utf-8",
    ],
)
async def test_parameters_of_content_types_are_ignored(api: Api, http: httpx2.AsyncClient, content_type: str) -> None:
    body = json.dumps({"query": QUERY}).encode()
    assert (await http.post(api.url, content=body, headers={"Content-Type": content_type})).json() == HELLO


async def test_an_encoded_body_is_415_and_a_byte_order_mark_is_ignored(api: Api, http: httpx2.AsyncClient) -> None:
    body, headers = json.dumps({"query": QUERY}).encode(), {"Content-Type": JSON}
    encoded = await http.post(api.url, content=b"\x1f\x8b", headers={**headers, "Content-Encoding": "gzip"})
    assert (encoded.status_code, encoded.headers["accept-encoding"]) == (415, "identity")
    assert encoded.json()["errors"][0]["extensions"]["code"] == "UNSUPPORTED_MEDIA_TYPE"
    for extra in ({}, {"Content-Encoding": "identity"}):
        answer = await http.post(api.url, content=b"\xef\xbb\xbf" + body, headers={**headers, **extra})
        assert answer.json() == HELLO


@pytest.mark.parametrize("selection", ["cursor", "__typename", "c: cursor", "cursor: __typename", "... on Tick { n }"])
async def test_the_id_of_an_event_is_its_cursor_whatever_is_selected(
    api: Api, http: httpx2.AsyncClient, selection: str
) -> None:
    query = f"subscription {{ ticks(upto: 2) {{ {selection} }} }}"
    answer = await http.post(api.url, json={"query": query}, headers={**DEVELOPER, "Accept": EVENTS})
    assert re.findall(r"^id: (.*)$", answer.text, re.MULTILINE) == ["1", "2"]


async def test_cors_lets_usual_headers_through_and_configured_ones(http: httpx2.AsyncClient) -> None:
    settings = ApiSettings(allowed_origins=("https://chat.example",))
    async with serve(settings) as api:
        headers_list = "content-type, authorization, apollographql-client-name, traceparent, baggage, sentry-trace"
        preflight = {
            "Origin": "https://chat.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": headers_list,
        }
        answer = await http.options(api.url, headers=preflight)
        assert answer.status_code == 200
        mine = {**preflight, "Access-Control-Request-Headers": "x-mine"}
        assert (await http.options(api.url, headers=mine)).status_code == 400
        get = await http.get(api.url, params={"query": QUERY}, headers={"Origin": "https://chat.example"})
        assert "X-Request-Id" in get.headers["access-control-expose-headers"]
    async with serve(settings.model_copy(update={"allowed_headers": ("X-Mine",)})) as api:
        assert (await http.options(api.url, headers=mine)).status_code == 200


async def test_answers_name_their_request_and_so_does_the_log(
    api: Api, http: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    ids: set[str] = set()
    for headers in ({}, {"X-Request-Id": "forged"}):
        answer = await http.post(api.url, json={"query": '{ broken(how: "bug") }'}, headers=headers)
        ids.add(answer.headers["x-request-id"])
    assert len(ids) == 2
    assert "forged" not in ids
    assert all(any(id_ in str(record.msg) for record in caplog.records) for id_ in ids)
    async with connect(api.url.replace("http", "ws", 1), subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
        assert socket.response is not None
        assert socket.response.headers["x-request-id"] not in ids


async def test_a_trusted_proxy_names_the_request(http: httpx2.AsyncClient) -> None:
    async with serve(ApiSettings(trusted_proxies=("127.0.0.1",))) as api:
        named = await http.get(api.url, params={"query": QUERY}, headers={"X-Request-Id": "abc-1.2_3"})
        assert named.headers["x-request-id"] == "abc-1.2_3"
        for odd in ("x" * 101, "a b", 'a"b'):
            renamed = await http.get(api.url, params={"query": QUERY}, headers={"X-Request-Id": odd})
            assert re.fullmatch("[0-9a-f]{24}", renamed.headers["x-request-id"])


@pytest.mark.parametrize(
    ("query", "variables", "message"),
    [
        ("query ($n: Int!) { toys(first: $n) { totalCount } }", {"n": None}, "to be null."),
        ("query ($n: Int!) { toys(first: $n) { totalCount } }", {"n": True}, "non-integer value."),
        ("query ($n: String!) { hello(name: $n) }", {"n": ["secret"]}, "non string value."),
    ],
)
async def test_sentences_use_the_words_of_graphql(
    api: Api, http: httpx2.AsyncClient, query: str, variables: dict[str, object], message: str
) -> None:
    body = {"query": query, "variables": variables}
    (error,) = (await http.post(api.url, json=body, headers=DEVELOPER)).json()["errors"]
    assert error["message"].endswith(message)
    assert not re.search(r"None|True|secret", error["message"])


async def test_a_complete_frame_may_have_a_payload_and_ids_200_characters(api: Api) -> None:
    async with ready(api) as socket:
        await socket.send({"id": "gone", "type": "complete", "payload": [1]})
        await socket.subscribe("x" * 200, QUERY)
        (answer, complete) = await socket.all_of("x" * 200)
        assert (answer["payload"]["data"], complete["type"]) == (HELLO["data"], "complete")
