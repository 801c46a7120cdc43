"""Server-sent events: subscriptions without a WebSocket."""

import asyncio
from collections.abc import AsyncGenerator

import httpx2
import pytest
import pytest_asyncio

from nexent_gql.api.settings import ApiSettings
from tests.support import toy_face
from tests.support.api_server import Api, serve
from tests.support.waiting import eventually

EVENTS = "text/event-stream"


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(autouse=True)
def forget() -> None:
    toy_face.forget()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api() -> AsyncGenerator[Api]:
    async with serve(ApiSettings(heartbeat_s=0.1)) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http() -> AsyncGenerator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(trust_env=False, timeout=10) as client:
        yield client


async def stream(http: httpx2.AsyncClient, api: Api, query: str, accept: str = EVENTS, token: str = "developer") -> str:
    headers = {"Accept": accept, "Authorization": f"Bearer {token}"}
    response = await http.post(api.url, json={"query": query}, headers=headers)
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    return response.text


async def test_frames_carry_the_cursor_as_their_id(api: Api, http: httpx2.AsyncClient) -> None:
    assert await stream(http, api, "subscription { ticks(upto: 2) { cursor } }") == (
        'event: next\nid: 1\ndata: {"data":{"ticks":{"cursor":"1"}}}\n\n'
        'event: next\nid: 2\ndata: {"data":{"ticks":{"cursor":"2"}}}\n\n'
        "event: complete\ndata:\n\n"
    )


async def test_a_query_streams_only_for_who_prefers_streams(api: Api, http: httpx2.AsyncClient) -> None:
    assert await stream(http, api, "{ hello }") == (
        'event: next\ndata: {"data":{"hello":"Hello you"}}\n\nevent: complete\ndata:\n\n'
    )
    both = f"application/json, {EVENTS}"
    response = await http.post(api.url, json={"query": "{ hello }"}, headers={"Accept": both})
    assert response.headers["content-type"].startswith("application/json")
    assert "ticks" in await stream(http, api, "subscription { ticks(upto: 1) { cursor } }", accept=both)


async def test_silence_is_filled_with_heartbeats(api: Api, http: httpx2.AsyncClient) -> None:
    text = await stream(http, api, "subscription { ticks(upto: 1, everyS: 0.35) { cursor } }")
    assert text.startswith(":\n\n:\n\n:\n\nevent: next\n")


async def test_refusals_and_bugs_are_events_with_codes(api: Api, http: httpx2.AsyncClient) -> None:
    invalid = await stream(http, api, "{ nope }")
    bug = await stream(http, api, "subscription { ticks(upto: 2, failAt: 2) { cursor } }")
    assert "GRAPHQL_VALIDATION_FAILED" in invalid
    assert bug.count("event: next") == 2
    assert "INTERNAL_SERVER_ERROR" in bug
    assert "secret" not in bug


async def test_leaving_ends_the_subscription_at_once(api: Api, http: httpx2.AsyncClient) -> None:
    headers = {"Accept": EVENTS, "Authorization": "Bearer developer"}
    body = {"query": "subscription { ticks(upto: 3, everyS: 30) { cursor } }"}
    async with http.stream("POST", api.url, json=body, headers=headers):
        await asyncio.sleep(0.2)
        assert toy_face.CANCELLED == []
    await eventually(lambda: toy_face.CANCELLED == ["ticks"])


async def test_a_stream_ends_with_its_credential(api: Api, http: httpx2.AsyncClient) -> None:
    text = await stream(http, api, "subscription { ticks(upto: 3, everyS: 30) { cursor } }", token="short")
    assert "SESSION_ENDED" in text
    assert text.endswith("event: complete\ndata:\n\n")
    assert toy_face.CANCELLED == ["ticks"]


async def test_loaders_of_a_subscription_do_not_repeat_themselves(api: Api, http: httpx2.AsyncClient) -> None:
    toy = "VG95OjAwMDAwMDAwLTAwMDAtMDAwMC0wMDAwLTAwMDAwMDAwMDAwMw=="
    query = f'subscription {{ toyChanges(id: "{toy}", times: 3) {{ name neighbours {{ name }} }} }}'
    text = await stream(http, api, query)
    assert text.count("toy 4") == 3
    assert len(toy_face.BATCHES) == 3
