"""A small HTTP/1.1 server that can misbehave on purpose and notes when its clients leave."""

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import cast

from nexent_gql.kernel.json import dumps

PHRASES = {status.value: status.phrase for status in HTTPStatus}


@dataclass(frozen=True)
class HttpRequest:
    """One request; header names are lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Handler = Callable[[HttpRequest, "Connection"], Awaitable[None]]


class Connection(asyncio.Protocol):
    """One client: its requests are handled in order, and a handler is cancelled when the client leaves."""

    def __init__(self, handler: Handler, connections: list["Connection"]) -> None:
        self._handler = handler
        self._connections = connections
        self._received = bytearray()
        self._more = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self.opened_at = time.time()
        self.closed_at: float | None = None
        self.first_byte_at: float | None = None
        self.closed_by_client = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no instances of it
        self._connections.append(self)
        self._serving = asyncio.create_task(self._serve())

    def data_received(self, data: bytes) -> None:
        self._received += data
        self._more.set()

    def eof_received(self) -> bool:
        self.closed_at = self.closed_at or time.time()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.closed_at = self.closed_at or time.time()
        self._serving.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    async def _serve(self) -> None:
        while not self._transport.is_closing():
            request = await self._request()
            self.first_byte_at = None
            await self._handler(request, self)

    async def _until(self, ready: Callable[[], bool]) -> None:
        while not ready():
            self._more.clear()
            await self._more.wait()

    async def _request(self) -> HttpRequest:
        await self._until(lambda: b"\r\n\r\n" in self._received)
        head, _, _ = bytes(self._received).partition(b"\r\n\r\n")
        first, *lines = head.decode("latin1").split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        end = len(head) + 4 + int(headers.get("content-length", "0"))
        await self._until(lambda: len(self._received) >= end)
        body = bytes(self._received[len(head) + 4 : end])
        del self._received[:end]
        return HttpRequest(method, path.partition("?")[0], headers, body)

    async def write(self, data: bytes) -> None:
        """Send bytes as they are; waits while the client does not read."""
        self.first_byte_at = self.first_byte_at or time.time()
        self._transport.write(data)
        await self._writable.wait()

    async def start(self, status: int, headers: dict[str, str]) -> None:
        """Send the head of a chunked answer."""
        await self.write(_head(status, {**headers, "transfer-encoding": "chunked"}))

    async def chunk(self, data: bytes) -> None:
        """Send a piece of the body."""
        await self.write(b"%x\r\n%b\r\n" % (len(data), data))

    async def end(self) -> None:
        """End a chunked answer; the connection stays usable."""
        await self.write(b"0\r\n\r\n")

    async def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        """Send a whole answer."""
        await self.write(_head(status, {**headers, "content-length": str(len(body))}) + body)

    async def json(self, status: int, value: object) -> None:
        """Send a whole answer as JSON."""
        await self.answer(status, dumps(value), {"content-type": "application/json"})

    def reset(self) -> None:
        """Cut the connection with a TCP reset."""
        self.closed_by_client = False
        raw = self._transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def close(self) -> None:
        """Close the connection from this side."""
        self.closed_by_client = False
        self._transport.close()

    async def stopped(self) -> None:
        """Close, and wait until the handler has ended."""
        self.close()
        self._serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._serving


def _head(status: int, headers: dict[str, str]) -> bytes:
    phrase = PHRASES.get(status, "Unknown")
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin1")
