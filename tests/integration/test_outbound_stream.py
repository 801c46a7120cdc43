"""The HTTP client's connections, against servers that take their time, break off and go."""

import asyncio
import socket
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import httpcore2
import pytest

from nexent_gql.adapters.outbound_stream import NetworkStream

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def connected(serve: Serve) -> AsyncGenerator[NetworkStream]:
    served = asyncio.Event()

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        finally:
            writer.transport.abort()
            served.set()

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0)
    stream = await NetworkStream.open("127.0.0.1", server.sockets[0].getsockname()[1], 5, None, None)
    try:
        yield stream
    finally:
        await stream.aclose()
        async with asyncio.timeout(5):
            await served.wait()
        server.close()


async def _flushed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say nothing until the other side goes."""
    await reader.read()
    await _flushed(writer)


async def test_what_is_not_read_yet_waits_at_the_sender_and_comes_whole() -> None:
    size, has_sent = 8_000_000, asyncio.Event()
    whole = bytes(range(256)) * (size // 256)

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(whole)
        await writer.drain()
        has_sent.set()
        await _flushed(writer)

    async with connected(serve) as stream, asyncio.timeout(20):
        received = await stream.read(1)
        with pytest.raises(TimeoutError):  # kernel buffers hold less than this
            await asyncio.wait_for(has_sent.wait(), 0.3)
        while part := await stream.read(65_536):
            assert len(part) <= 65_536
            received += part
    assert received == whole


async def test_a_reset_is_an_error_behind_what_came_before() -> None:
    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"half")
        await writer.drain()
        await asyncio.sleep(0.05)
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with connected(serve) as stream, asyncio.timeout(5):
        assert await stream.read(100) == b"half"
        with pytest.raises(httpcore2.ReadError):
            await stream.read(100)
        with pytest.raises(httpcore2.WriteError):
            await stream.write(b"more")


async def test_an_idle_connection_that_the_server_closed_is_seen_at_once() -> None:
    has_left = asyncio.Event()

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await has_left.wait()
        await _flushed(writer)

    async with connected(serve) as stream, asyncio.timeout(5):
        assert stream.get_extra_info("is_readable") is False
        has_left.set()
        while not stream.get_extra_info("is_readable"):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.001)
        assert await stream.read(100) == b""


async def test_closing_ends_a_read() -> None:
    async with connected(hold) as stream, asyncio.timeout(5):
        reading = asyncio.create_task(stream.read(100))
        await asyncio.sleep(0)
        await stream.aclose()
        with pytest.raises(httpcore2.ReadError):
            await reading


async def test_a_read_may_have_a_time() -> None:
    async with connected(hold) as stream:
        with pytest.raises(httpcore2.ReadTimeout):
            await stream.read(100, 0.01)


async def test_a_cancelled_read_loses_nothing() -> None:
    more = asyncio.Event()

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await more.wait()
        writer.write(b"whole")
        await _flushed(writer)

    async with connected(serve) as stream, asyncio.timeout(5):
        reading = asyncio.create_task(stream.read(100))
        await asyncio.sleep(0)
        reading.cancel()
        await asyncio.wait([reading])
        more.set()
        assert await stream.read(100) == b"whole"
        assert await stream.read(100) == b""


async def test_nobody_there_and_nothing_that_can_be_encrypted() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(httpcore2.ConnectError) as refused:
            await NetworkStream.open("127.0.0.1", free.getsockname()[1], 5, None, None)
    assert isinstance(refused.value.__cause__, ConnectionRefusedError)

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await _flushed(writer)

    async with connected(serve) as stream, asyncio.timeout(5):
        with pytest.raises(httpcore2.ConnectError):
            await stream.start_tls(httpcore2.default_ssl_context(), "localhost", 5)
