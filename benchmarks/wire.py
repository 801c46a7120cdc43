"""A graphql-transport-ws client that costs little more than the system calls: it shares its core with others.

Frames of a server are neither masked nor, by these servers, split; so reading one is an index into a buffer.
"""

import asyncio
import base64
import os
import socket
from collections.abc import Callable
from typing import Self, cast

from nexent_gql.kernel.json import dumps

OnMessage = Callable[[bytes], None]
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10
_LENGTH_16, _LENGTH_64 = 126, 127
_MASK = b"\0\0\0\0"
_SHORTEST = 2
_TIMEOUT_S = 60.0


class Socket(asyncio.Protocol):
    """One socket with one operation; `on_message` gets each text frame after the acknowledgement."""

    def __init__(self, on_message: OnMessage, greeting: bytes) -> None:
        """Open by `Socket.open`."""
        loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[None] = loop.create_future()
        self.ready: asyncio.Future[None] = loop.create_future()
        self._on_message = on_message
        self._greeting = greeting
        self._buffer = b""
        self._is_open = False
        self.transport: asyncio.Transport | None = None

    @classmethod
    async def open(
        cls, port: int, on_message: OnMessage, token: str | None = None, *, receive_bytes: int | None = None
    ) -> Self:
        """Connect, upgrade, and wait for `connection_ack`; `receive_bytes` bounds what the kernel keeps unread."""
        payload = {"Authorization": f"Bearer {token}"} if token else {}
        greeting = dumps({"type": "connection_init", "payload": payload})
        loop = asyncio.get_running_loop()
        raw = socket.socket()
        raw.settimeout(0)
        if receive_bytes is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        await loop.sock_connect(raw, ("127.0.0.1", port))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _, protocol = await loop.create_connection(lambda: cls(on_message, greeting), sock=raw)
        async with asyncio.timeout(_TIMEOUT_S):
            await protocol.ready
        return protocol

    def subscribe(self, query: str, **variables: object) -> None:
        """Start the operation."""
        payload = {"query": query, "variables": variables}
        self.send(dumps({"id": "1", "type": "subscribe", "payload": payload}))

    def send(self, text: bytes, opcode: int = _TEXT) -> None:
        """Send one frame, under a mask of zeros."""
        size = len(text)
        head = bytes((128 | opcode,))
        head += bytes((128 | size,)) if size < _LENGTH_16 else bytes((254,)) + size.to_bytes(2, "big")
        self._write(head + _MASK + text)

    def stall(self) -> None:
        """Read nothing more: what comes fills the kernel's buffers, then the server's."""
        if self.transport is not None:
            self.transport.pause_reading()

    def go_on(self) -> None:
        """Read again."""
        if self.transport is not None:
            self.transport.resume_reading()

    def drop(self) -> None:
        """Be gone, without a word."""
        if self.transport is not None:
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self.transport = cast("asyncio.Transport", transport)
        key = base64.b64encode(os.urandom(16))
        self._write(
            b"GET /graphql HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n"
            b"Sec-WebSocket-Key: " + key + b"\r\n\r\n"
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        if not self.ready.done():
            self.ready.set_exception(exc or ConnectionResetError("the server closed the socket"))
        if not self.closed.done():
            self.closed.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Cut what came into frames."""
        buffer = self._buffer + data if self._buffer else data
        at = 0 if self._is_open else self._upgrade(buffer)
        size = len(buffer) if self._is_open else 0
        while size - at >= _SHORTEST:
            length, start = buffer[at + 1], at + 2
            if length == _LENGTH_16:
                length, start = int.from_bytes(buffer[at + 2 : at + 4], "big"), at + 4
            elif length == _LENGTH_64:
                length, start = int.from_bytes(buffer[at + 2 : at + 10], "big"), at + 10
            if start + length > size:
                break
            self._frame(buffer[at] & 15, buffer[start : start + length])
            at = start + length
        self._buffer = buffer[at:]

    def _upgrade(self, buffer: bytes) -> int:
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            return 0
        if not buffer.startswith(b"HTTP/1.1 101"):
            raise ConnectionRefusedError(buffer[:200])
        self._is_open = True
        self.send(self._greeting)
        return end + 4

    def _frame(self, opcode: int, payload: bytes) -> None:
        if opcode == _TEXT:
            if self.ready.done():
                self._on_message(payload)
            elif b"connection_ack" in payload:
                self.ready.set_result(None)
        elif opcode == _PING:
            self.send(payload, _PONG)
        elif opcode == _CLOSE and not self.ready.done():
            self.ready.set_exception(ConnectionRefusedError(payload.decode(errors="replace")))

    def _write(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)
