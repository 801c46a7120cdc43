"""Server-sent events: subscriptions without a WebSocket."""

import asyncio
import json
from collections.abc import AsyncGenerator
from uuid import UUID

import httpx2
import pytest
import pytest_asyncio
from starlette.types import Message, Send

from nexent_gql.api.settings import ApiSettings
from tests.support import toy_schema
from tests.support.api_server import Api, serve
from tests.support.waiting import eventually

EVENTS = "text/event-stream"


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
        assert toy_schema.CANCELLED == []
    await eventually(lambda: toy_schema.CANCELLED == ["ticks"])


async def test_a_stream_ends_with_its_credential(api: Api, http: httpx2.AsyncClient) -> None:
    text = await stream(http, api, "subscription { ticks(upto: 3, everyS: 30) { cursor } }", token="short")
    assert "SESSION_ENDED" in text
    assert text.endswith("event: complete\ndata:\n\n")
    assert toy_schema.CANCELLED == ["ticks"]


@pytest.mark.parametrize("media", [EVENTS, "multipart/mixed;subscriptionSpec=1.0"])
async def test_a_stream_whose_client_does_not_read_ends_with_its_credential(api: Api, media: str) -> None:
    """The application itself is asked, so that the client can stall within a frame."""
    messages_sent: list[Message] = []
    stalls, reads = asyncio.Event(), asyncio.Event()

    async def send(message: Message) -> None:
        messages_sent.append(message)
        if len(messages_sent) > 3:
            stalls.set()
            await reads.wait()

    request = asyncio.create_task(ask_application(api, "subscription { ticks(upto: 100) { cursor } }", media, send))
    await stalls.wait()
    api.identity.connections.revoke(UUID(int=1))
    await eventually(lambda: toy_schema.CANCELLED == ["ticks"])
    reads.set()
    async with asyncio.timeout(5):
        await request
    assert b"SESSION_ENDED" in b"".join(message["body"] for message in messages_sent[-3:])
    assert messages_sent[-1]["more_body"] is False


async def ask_application(api: Api, query: str, media: str, send: Send) -> None:
    """Ask without a server between; the client never leaves."""
    body = json.dumps({"query": query}).encode()
    requests = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> Message:
        return next(requests, None) or await asyncio.Future()

    headers = {"accept": media, "content-type": "application/json", "authorization": "Bearer session-1"}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "method": "POST",
        "path": "/graphql",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "state": dict(api.server.lifespan.state),
    }
    await api.app(scope, receive, send)


async def test_loaders_of_a_subscription_do_not_repeat_themselves(api: Api, http: httpx2.AsyncClient) -> None:
    toy = "VG95OjAwMDAwMDAwLTAwMDAtMDAwMC0wMDAwLTAwMDAwMDAwMDAwMw=="
    query = f'subscription {{ toyChanges(id: "{toy}", times: 3) {{ name neighbours {{ name }} }} }}'
    text = await stream(http, api, query)
    assert text.count("toy 4") == 3
    assert len(toy_schema.BATCHES) == 3
