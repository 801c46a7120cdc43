"""When sockets end: with their credential, with too many of them, and with too many messages."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import datetime
from uuid import UUID

import httpx2
import pytest
import pytest_asyncio

from nexent_gql.api.limits.connection_limits import ConnectionLimiter, TokenBucket
from nexent_gql.api.settings import ApiSettings, SocketLimits
from nexent_gql.api.transport.lifetime import EXPIRED, REVOKED
from nexent_gql.kernel.clock import utc_now
from tests.support import toy_schema
from tests.support.api_server import Api, serve
from tests.support.sockets import Socket, opened, ready
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")
TICKS = "subscription ($upto: Int!, $every: Float! = 0) { ticks(upto: $upto, everyS: $every) { cursor } }"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api() -> AsyncGenerator[Api]:
    async with serve() as running:
        yield running


async def renew(socket: Socket, token: str) -> None:
    await socket.send({"type": "ping", "payload": {"Authorization": f"Bearer {token}"}})


async def test_a_revoked_session_closes_its_sockets_and_no_other(api: Api) -> None:
    async with ready(api, "session-1") as one, ready(api, "session-1") as two, ready(api, "session-2") as other:
        toy_schema.forget()
        await one.subscribe("a", TICKS, upto=1, every=30)
        await one.subscribe("b", "{ hello }")
        assert len(await one.all_of("b")) == 2
        await eventually(lambda: len(api.identity.connections.watchers) == 3)
        api.identity.connections.revoke(UUID(int=1))
        for socket in (one, two):
            assert await socket.closed() == (4403, f"SESSION_ENDED: {REVOKED}")
        await eventually(lambda: toy_schema.CANCELLED == ["ticks"])
        await other.subscribe("a", "{ hello }")
        assert len(await other.all_of("a")) == 2
    await eventually(lambda: api.identity.connections.watchers == [])


@pytest.mark.parametrize("media", ["text/event-stream", "multipart/mixed;subscriptionSpec=1.0"])
async def test_a_revoked_session_ends_its_streams(api: Api, media: str) -> None:
    query = "subscription { ticks(upto: 2, everyS: 30) { cursor } }"
    headers = {"Authorization": "Bearer session-1", "accept": media}
    async with httpx2.AsyncClient(trust_env=False, timeout=10) as http:
        request = asyncio.create_task(http.post(api.url, json={"query": query}, headers=headers))
        await eventually(lambda: len(api.identity.connections.watchers) == 1)
        api.identity.connections.revoke(UUID(int=1))
        assert f'"message":"{REVOKED}"' in (await request).text
    await eventually(lambda: api.identity.connections.watchers == [])


async def test_a_ping_with_a_credential_renews_it(api: Api) -> None:
    api.identity.short_s = 0.5
    async with ready(api, "short") as socket:
        await socket.subscribe("a", TICKS, upto=1, every=1)
        await renew(socket, "session-7")
        pong = await socket.receive()
        assert pong["type"] == "pong"
        assert datetime.fromisoformat(pong["payload"]["expiresAt"]) > utc_now()
        assert [frame["type"] for frame in await socket.all_of("a")] == ["next", "complete"]
        api.identity.connections.revoke(UUID(int=7))
        assert await socket.closed() == (4403, f"SESSION_ENDED: {REVOKED}")


async def test_a_renewed_credential_expires_too(api: Api) -> None:
    api.identity.short_s = 0.3
    async with ready(api, "session-1") as socket:
        await renew(socket, "short")
        assert (await socket.receive())["type"] == "pong"
        assert await socket.closed() == (4403, f"SESSION_ENDED: {EXPIRED}")


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("nonsense", "UNAUTHENTICATED: This token is not valid."),
        ("eve", "FORBIDDEN: renew with a credential of the same user"),
    ],
)
async def test_a_renewal_that_is_refused_closes(api: Api, token: str, reason: str) -> None:
    async with ready(api, "session-1") as socket:
        await renew(socket, token)
        assert await socket.closed() == (4403, reason)


async def test_a_stranger_can_not_become_somebody_and_nobody_renews_too_early(api: Api) -> None:
    async with ready(api, None) as socket:
        await renew(socket, "session-1")
        assert (await socket.closed())[0] == 4403
    async with opened(api) as socket:
        await renew(socket, "session-1")
        assert await socket.closed() == (4401, "Unauthorized")


async def test_a_user_has_so_many_sockets_and_no_more() -> None:
    async with serve(ApiSettings(sockets=SocketLimits(per_user=2))) as api:
        async with ready(api), ready(api, "member"), ready(api, "eve"), ready(api, None), opened(api) as one_more:
            payload = {"Authorization": "Bearer session-1"}
            await one_more.send({"type": "connection_init", "payload": payload})
            assert await one_more.closed() == (1013, "TOO_MANY_SOCKETS: close some first")
        await asyncio.sleep(0.05)
        async with ready(api), ready(api):
            pass


async def test_messages_that_come_too_fast_close() -> None:
    async with serve(ApiSettings(sockets=SocketLimits(burst=20, messages_per_s=10))) as api, ready(api) as socket:
        for _ in range(19):
            await socket.send({"type": "ping"})
        for _ in range(19):
            assert await socket.receive() == {"type": "pong"}
        await socket.subscribe("a", "{ hello }")
        await socket.subscribe("b", "{ hello }")
        assert await socket.closed() == (1008, "TOO_MANY_MESSAGES: at most 10 a second")


async def test_what_comes_in_one_read_is_answered_in_order_however_long(api: Api) -> None:
    """Messages are longer and shorter than the slices in which a read is handed on."""
    async with ready(api) as socket:
        payloads = [{"n": n, "text": "x" * (20_000 if n % 30 == 7 else n)} for n in range(90)]
        for payload in payloads:
            await socket.send({"type": "ping", "payload": payload})
        assert [(await socket.receive())["payload"] for _ in payloads] == payloads
        await socket.connection.close()
        assert socket.connection.close_code == 1000


async def test_a_pace_fills_up_again() -> None:
    times = [0.0]
    pace = TokenBucket(burst=2, per_s=10, now=lambda: times[0])
    assert [pace.take() for _ in range(3)] == [True, True, False]
    times[0] += 0.1
    assert [pace.take() for _ in range(2)] == [True, False]
    times[0] += 60
    assert [pace.take() for _ in range(3)] == [True, True, False]


async def test_a_connection_limiter_forgets_who_left() -> None:
    limiter = ConnectionLimiter(1)
    with limiter.hold("a") as first, limiter.hold("a") as second, limiter.hold("b") as other:
        assert (first, second, other) == (True, False, True)
    with limiter.hold("a") as again:
        assert again
