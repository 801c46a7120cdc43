"""Connections over raw sockets: upgrades, deadlines, limits, and answers that are not lost."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from nexent_gql.api.settings import ApiSettings, ConnectionLimits, SocketLimits
from nexent_gql.api.transport.connections import ConnectionRegistry
from nexent_gql.api.transport.proxies import TrustedProxies
from tests.support.api_server import Api, serve
from tests.support.waiting import eventually

BODY = b'{"query":"{ hello }"}'
HELLO = b'{"data":{"hello":"Hello you"}}'
INNER = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
SHORT = ConnectionLimits(header_s=0.3, idle_s=1)


def post(*headers: str, body: bytes = BODY, version: str = "1.1", method: str = "POST") -> bytes:
    lines = [
        f"{method} /graphql HTTP/{version}",
        "Host: x",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass
class Raw:
    """A TCP connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, *segments: bytes) -> None:
        for segment in segments:
            self.writer.write(segment)
            await self.writer.drain()
            await asyncio.sleep(0.02)

    async def answer(self) -> tuple[int, bytes]:
        """Read one answer that has a length."""
        async with asyncio.timeout(5):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head)
            return int(head.split(b" ", 2)[1]), await self.reader.readexactly(int(length[1]) if length else 0)

    async def rest(self, within_s: float = 5) -> bytes:
        """Read until the server closes."""
        async with asyncio.timeout(within_s):
            return await self.reader.read()


@asynccontextmanager
async def opened(api: Api) -> AsyncGenerator[Raw]:
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    try:
        yield Raw(reader, writer)
    finally:
        writer.close()


@pytest.fixture
async def api() -> AsyncGenerator[Api]:
    async with serve() as running:
        yield running


UPGRADES = [
    ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"),
    ("Connection: upgrade", "Upgrade: foo"),
    ("Connection: keep-alive, Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: x"),
    ("Connection: Upgrade", "Upgrade: TLS/1.0"),
]


@pytest.mark.parametrize("upgrade", UPGRADES)
@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_an_upgrade_that_is_not_answered_is_as_if_it_were_absent(
    api: Api, upgrade: tuple[str, ...], method: str
) -> None:
    async with opened(api) as raw:
        request = post(*upgrade, method=method).replace(b"GET /graphql ", b"GET /graphql?query={hello} ")
        head, _, body = request.partition(b"\r\n\r\n")
        for segments in ([request], [head + b"\r\n\r\n", body], [request[:9], request[9:40], request[40:]]):
            await raw.send(*segments)
            assert await raw.answer() == (200, HELLO)
        await raw.send(post())
        assert await raw.answer() == (200, HELLO), "the connection goes on"


@pytest.mark.parametrize("upgrade", UPGRADES)
async def test_a_body_is_never_parsed_as_a_request(api: Api, upgrade: tuple[str, ...]) -> None:
    async with opened(api) as raw:
        head, _, body = post(*upgrade, "Connection: close", body=INNER).partition(b"\r\n\r\n")
        await raw.send(head + b"\r\n\r\n", body)
        answers = await raw.rest()
        assert answers.count(b"HTTP/1.1 ") == 1
        assert b"alive" not in answers


async def test_chunked_bodies_of_upgrades_and_pipelined_ones(api: Api) -> None:
    chunked = (
        b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
        b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
    )
    async with opened(api) as raw:
        await raw.send((chunked + post("Connection: Upgrade", "Upgrade: h2c")) * 20)
        for _ in range(40):
            assert await raw.answer() == (200, HELLO)


@pytest.mark.parametrize("header", ["X-Long: " + "x" * 9_000, "\r\n".join(f"X-{n}: y" for n in range(200)), "X Y: z"])
async def test_a_handshake_that_cannot_be_read_is_answered(header: str) -> None:
    async with serve() as api, opened(api) as raw:
        upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
        head = f"GET /graphql HTTP/1.1\r\nHost: x\r\n{header}\r\n{upgrade}dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        await raw.send(head.encode())
        assert (await raw.rest()).startswith(b"HTTP/1.1 4")


async def test_connect_is_refused(api: Api) -> None:
    async with opened(api) as raw:
        await raw.send(b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n", INNER)
        answers = await raw.rest()
        assert answers.startswith(b"HTTP/1.1 405 ")
        assert answers.count(b"HTTP/1.1 ") == 1


async def test_websockets_still_open(api: Api) -> None:
    async with connect(
        api.url.replace("http", "ws", 1), subprotocols=[Subprotocol("graphql-transport-ws")], proxy=None
    ) as socket:
        await socket.send('{"type":"connection_init"}')
        assert json.loads(await socket.recv()) == {"type": "connection_ack"}


@pytest.mark.parametrize("accept", ["text/event-stream", "multipart/mixed;deferSpec=20220824"])
async def test_answers_to_http_1_0_are_not_chunked(api: Api, accept: str) -> None:
    async with opened(api) as raw:
        body = b'{"query":"{ hello ... @defer { later: hello } }"}'
        await raw.send(post(f"Accept: {accept}", body=body, version="1.0"))
        head, _, streamed = (await raw.rest()).partition(b"\r\n\r\n")
        assert b"transfer-encoding" not in head.lower()
        assert streamed.startswith((b"event: next\ndata: {", b"\r\n--graphql\r\n"))
        assert b"later" in streamed
        assert streamed.endswith((b"event: complete\ndata:\n\n", b"--graphql--\r\n"))
    async with opened(api) as raw:
        await raw.send(post(version="1.0"))
        assert (await raw.rest()).endswith(b"\r\n\r\n" + HELLO)


async def test_an_answer_is_not_lost_to_a_reset(api: Api) -> None:
    for _ in range(5):
        async with opened(api) as raw:
            raw.writer.write(post("Connection: close", body=b"x" * 5_000_000))
            status, body = await raw.answer()
            assert (status, json.loads(body)["errors"][0]["extensions"]["code"]) == (413, "PAYLOAD_TOO_LARGE")
            assert await raw.rest() == b""


async def test_slow_heads_bodies_and_idle_connections_are_closed() -> None:
    limits = ApiSettings().limits.model_copy(update={"body_s": 0.3})
    async with serve(ApiSettings(connections=SHORT, limits=limits)) as api:

        async def trickle(begin: bytes, drop: bytes) -> bytes:
            async with opened(api) as raw:
                await raw.send(begin)

                async def drip() -> None:
                    while True:
                        await raw.send(drop)
                        await asyncio.sleep(0.05)

                dripping = asyncio.create_task(drip())
                try:
                    return await raw.rest()
                except ConnectionError:
                    return b""
                finally:
                    dripping.cancel()
                    await asyncio.gather(dripping, return_exceptions=True)

        async def silent(begin: bytes) -> bytes:
            async with opened(api) as raw:
                await raw.send(begin)
                return await raw.rest()

        answers = await asyncio.gather(
            *(trickle(b"GET /graphql HTTP/1.1\r\nHost: x\r\n", b"X-A: b\r\n") for _ in range(30)),
            *(trickle(b"G", b"E") for _ in range(10)),
            *(trickle(b"\r\n", b"\r\n") for _ in range(10)),
        )
        assert len(answers) == 50
        assert all(answer.startswith((b"HTTP/1.1 408 ", b"HTTP/1.1 400 ")) or not answer for answer in answers)
        assert sum(answer.startswith(b"HTTP/1.1 408 ") for answer in answers) >= 30
        slow_bodies = await asyncio.gather(*(silent(post()[:-5]) for _ in range(10)))
        assert all(b"REQUEST_TIMEOUT" in answer for answer in slow_bodies)
        idle = await asyncio.gather(*(silent(b"") for _ in range(10)), *(silent(post()) for _ in range(10)))
        assert all(answer.startswith(b"HTTP/1.1 408 ") for answer in idle[:10])
        assert all(answer.endswith(HELLO) for answer in idle[10:])
        await eventually(lambda: not api.server.server_state.connections)


async def test_a_body_that_nobody_reads_is_not_waited_for() -> None:
    async with serve() as api, opened(api) as raw:
        await raw.send(b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        status, _ = await raw.answer()
        assert status == 405
        await raw.send(b"x")
        assert await raw.rest(within_s=20) == b""


async def test_long_headers_are_refused() -> None:
    async with serve(ApiSettings(connections=ConnectionLimits(header_bytes=8_192))) as api, opened(api) as raw:
        await raw.send(b"GET /graphql HTTP/1.1\r\nHost: x\r\nX-Long: ")
        answer = b""
        for _ in range(20):
            raw.writer.write(b"x" * 100_000)
            await asyncio.sleep(0)
        answer = await raw.rest()
        assert answer.startswith(b"HTTP/1.1 431 ")


async def test_connections_are_limited_by_address_and_in_all() -> None:
    for limits, status in ((ConnectionLimits(per_address=3), 429), (ConnectionLimits(total=3), 503)):
        async with serve(ApiSettings(connections=limits)) as api:
            reader_writers = [await asyncio.open_connection("127.0.0.1", api.port) for _ in range(3)]
            async with opened(api) as raw:
                assert (await raw.rest()).startswith(b"HTTP/1.1 %d " % status)
            for _, writer in reader_writers:
                writer.close()
            await eventually(lambda api=api: not api.server.server_state.connections)
            async with opened(api) as raw:
                await raw.send(post())
                assert await raw.answer() == (200, HELLO)


async def test_sockets_keep_their_connection_counted() -> None:
    async with serve(ApiSettings(connections=ConnectionLimits(per_address=1))) as api:
        url = api.url.replace("http", "ws", 1)
        async with connect(url, subprotocols=[Subprotocol("graphql-transport-ws")], proxy=None), opened(api) as raw:
            assert (await raw.rest()).startswith(b"HTTP/1.1 429 ")

        async def is_free() -> bool:
            async with opened(api) as raw:
                await raw.send(post())
                return await raw.answer() == (200, HELLO)

        async with asyncio.timeout(5):
            while not await is_free():  # noqa: ASYNC110 - the server tells nobody when it is
                await asyncio.sleep(0.05)


def test_ipv6_counts_by_network_and_trusted_proxies_do_not_count() -> None:
    registry = ConnectionRegistry(ConnectionLimits(per_address=2), TrustedProxies(["10.0.0.0/8"]), body_s=1)
    assert [registry.acquire(f"2001:db8::{n}") for n in (1, 2, 3)] == [None, None, 429]
    assert registry.acquire("2001:db8:0:1::1") is None
    assert [registry.acquire("10.0.0.1") for _ in range(9)] == [None] * 9
    registry.release("2001:db8::1")
    assert registry.acquire("2001:db8::3") is None


async def test_sockets_that_have_not_said_whose_they_are_are_limited_by_address() -> None:
    async with serve(ApiSettings(sockets=SocketLimits(unidentified_per_address=2))) as api:
        url, protocols = api.url.replace("http", "ws", 1), [Subprotocol("graphql-transport-ws")]
        async with (
            connect(url, subprotocols=protocols, proxy=None) as first,
            connect(url, subprotocols=protocols, proxy=None),
        ):
            with pytest.raises(InvalidStatus):
                await connect(url, subprotocols=protocols, proxy=None)
            await first.send('{"type":"connection_init","payload":{"Authorization":"Bearer developer"}}')
            assert json.loads(await first.recv()) == {"type": "connection_ack"}
            async with connect(url, subprotocols=protocols, proxy=None):
                pass


@pytest.mark.parametrize("accept", ["text/event-stream", "multipart/mixed;subscriptionSpec=1.0"])
async def test_streamed_answers_count_like_sockets(accept: str) -> None:
    query = {"query": "subscription { ticks(upto: 1000, everyS: 0.01) { cursor } }"}
    headers = {"Accept": accept, "Authorization": "Bearer developer"}
    async with (
        serve(ApiSettings(sockets=SocketLimits(per_user=2))) as api,
        httpx2.AsyncClient(trust_env=False) as http,
    ):
        for _ in range(2):  # the slots are free again when the streams have ended
            async with (
                http.stream("POST", api.url, json=query, headers=headers) as first,
                http.stream("POST", api.url, json=query, headers=headers) as second,
            ):
                assert (first.status_code, second.status_code) == (200, 200)
                refused = await http.post(api.url, json=query, headers=headers)
                assert refused.status_code == 429
                assert refused.json()["errors"][0]["extensions"]["code"] == "TOO_MANY_SOCKETS"
                other = {**headers, "Authorization": "Bearer eve"}
                async with http.stream("POST", api.url, json=query, headers=other) as another:
                    assert another.status_code == 200
            await eventually(lambda api=api: not _open_streams(api))


def _open_streams(api: Api) -> int:
    return len(api.server.server_state.tasks)
