"""A server that ends answers what clients have already sent."""

import asyncio
import socket
from urllib.parse import urlsplit

import pytest

from tests.support.api_server import Api, serve

REQUEST = (
    b"POST /graphql HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: 21\r\n\r\n"
    b'{"query":"{ hello }"}'
)


def connected(api: Api, *, sending: bytes) -> socket.socket:
    """Connect and send, without the loop turning."""
    address = urlsplit(api.url)
    connection = socket.create_connection((address.hostname or "", address.port or 0), timeout=5)
    connection.sendall(sending)
    connection.settimeout(0)
    return connection


async def answer(connection: socket.socket, *, sending: bytes = b"") -> bytes:
    """Return all that comes until the server closes."""
    reader, writer = await asyncio.open_connection(sock=connection)
    try:
        writer.write(sending)
        async with asyncio.timeout(5):
            return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize("began", [b"", REQUEST[:30], REQUEST])
async def test_whoever_has_connected_is_answered(began: bytes) -> None:
    """Also those whom the server has not even accepted."""
    async with serve() as api:
        connections = [connected(api, sending=began) for _ in range(30)]
        api.server.should_exit = True
        answers = await asyncio.gather(*(answer(each, sending=REQUEST[len(began) :]) for each in connections))
    for each in answers:
        assert each.startswith(b"HTTP/1.1 200 ")
        assert each.lower().count(b"connection: close") == 1
        assert b'{"data":{"hello":' in each


async def test_a_connection_that_was_used_before_serves_once_more() -> None:
    async with serve() as api:
        reader, writer = await asyncio.open_connection(sock=connected(api, sending=REQUEST))
        assert b"connection: close" not in (await reader.readuntil(b"}}")).lower()
        api.server.should_exit = True
        await nobody_listens(api)
        writer.write(REQUEST)
        assert b"connection: close" in (await reader.read()).lower()
        writer.close()


async def test_nobody_is_accepted_any_more() -> None:
    async with serve() as api:
        api.server.should_exit = True
        await nobody_listens(api)


async def nobody_listens(api: Api) -> None:
    """Wait until connections are refused; fail when they are not."""
    async with asyncio.timeout(2):
        while True:
            try:
                connected(api, sending=b"").close()
            except ConnectionRefusedError:
                return
            await asyncio.sleep(0.01)
