"""A TCP or TLS connection for the HTTP client, on the event loop's transport.

The client's own stream uses a cancel scope, an event and three coroutines per read, which took a fifth of a worker's
CPU time when each read has one token.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Iterable
from select import POLLIN, poll
from typing import Self, cast

import httpcore2

_MAX_BUFFERED_BYTES = 256 * 1024


class NetworkStream(asyncio.Protocol, httpcore2.AsyncNetworkStream):
    """One connection for one reader; buffers up to 256 KiB, then lets the kernel apply backpressure."""

    def __init__(self) -> None:
        self._transport = asyncio.Transport()
        self._received = deque[bytes]()
        self._buffered_bytes = 0
        self._waiting: asyncio.Future[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._is_over = False
        self._error: Exception | None = None

    @classmethod
    async def open(
        cls,
        address: str,
        port: int,
        timeout_s: float | None,
        local_address: str | None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None,
    ) -> Self:
        """Connect to a numeric address.

        Raises:
            httpcore2.ConnectError: The server does not answer; the cause explains why.
            httpcore2.ConnectTimeout: Not connected in time.
        """
        local = (local_address, 0) if local_address else None
        try:
            async with asyncio.timeout(timeout_s):
                loop = asyncio.get_running_loop()
                transport, stream = await loop.create_connection(cls, address, port, local_addr=local)
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout(str(error)) from error
        except OSError as error:
            raise httpcore2.ConnectError(str(error)) from error
        for option in socket_options or ():
            transport.get_extra_info("socket").setsockopt(*option)
        return stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - the interface's name
        """Return received bytes, waiting if there are none; empty at the end of the stream.

        Raises:
            httpcore2.ReadError: The connection broke or was closed.
            httpcore2.ReadTimeout: Nothing was received in time.
        """
        if not self._received and not self._is_over:
            try:
                await self._arrival(timeout)
            except TimeoutError as error:
                raise httpcore2.ReadTimeout(str(error)) from error
        if self._received:
            return self._take(max_bytes)
        if self._error is not None:
            raise httpcore2.ReadError(str(self._error)) from self._error
        return b""

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - as above
        """Send bytes; waits while the write buffer is full.

        Raises:
            httpcore2.WriteError: The connection is closed.
            httpcore2.WriteTimeout: The server accepted nothing in time.
        """
        if self._is_over:
            raise httpcore2.WriteError(str(self._error or "closed")) from self._error
        self._transport.write(buffer)
        if not self._writable.is_set():
            try:
                async with asyncio.timeout(timeout):
                    await self._writable.wait()
            except TimeoutError as error:
                raise httpcore2.WriteTimeout(str(error)) from error

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - as above
    ) -> httpcore2.AsyncNetworkStream:
        """Upgrade to TLS; a failed handshake closes the connection.

        Raises:
            httpcore2.ConnectError: The certificate is not trusted, or the handshake failed; the cause explains why.
            httpcore2.ConnectTimeout: No handshake in time.
        """
        plain, loop = self._transport, asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                encrypted = await loop.start_tls(plain, self, ssl_context, server_hostname=server_hostname)
        except TimeoutError as error:
            plain.abort()
            raise httpcore2.ConnectTimeout(str(error)) from error
        except OSError as error:
            plain.abort()
            raise httpcore2.ConnectError(str(error)) from error
        except BaseException:
            plain.abort()
            raise
        if encrypted is None or self._is_over:
            plain.abort()
            raise httpcore2.ConnectError(str(self._error or "closed during the handshake")) from self._error
        self._transport = encrypted
        return self

    async def aclose(self) -> None:
        """Close at once, without a TLS shutdown that the server could delay."""
        self._end(ConnectionAbortedError("closed here"))
        self._transport.abort()

    def get_extra_info(self, info: str) -> object:
        """Return information for the pool; an idle connection with `is_readable` is no longer usable."""
        match info:
            case "is_readable":
                return bool(self._received) or self._is_over or self._transport.is_closing() or self._has_come()
            case "client_addr":
                return cast("object", self._transport.get_extra_info("sockname"))
            case "server_addr":
                return cast("object", self._transport.get_extra_info("peername"))
            case _:
                return cast("object", self._transport.get_extra_info(info))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received.append(data)
        self._buffered_bytes += len(data)
        if self._buffered_bytes > _MAX_BUFFERED_BYTES:
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """Mark the end of the stream; the reader gets the buffered rest first. The transport closes itself."""
        self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Mark the end of the stream; the reader gets the buffered rest first."""
        self._end(exc)

    def pause_writing(self) -> None:
        """Make `write` wait."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let `write` continue."""
        self._writable.set()

    async def _arrival(self, timeout_s: float | None) -> None:
        self._waiting = asyncio.get_running_loop().create_future()
        if timeout_s is None:
            await self._waiting
        else:
            async with asyncio.timeout(timeout_s):
                await self._waiting

    def _take(self, max_bytes: int) -> bytes:
        data = self._received.popleft()
        if len(data) > max_bytes:
            self._received.appendleft(data[max_bytes:])
            data = data[:max_bytes]
        was_full = self._buffered_bytes > _MAX_BUFFERED_BYTES
        self._buffered_bytes -= len(data)
        if was_full and self._buffered_bytes <= _MAX_BUFFERED_BYTES and not self._is_over:
            self._transport.resume_reading()
        return data

    def _end(self, error: Exception | None) -> None:
        if not self._is_over:
            self._is_over, self._error = True, error
        self._writable.set()
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def _has_come(self) -> bool:
        """Return whether the kernel has data that the event loop has not read yet."""
        poller = poll()
        poller.register(self._transport.get_extra_info("socket").fileno(), POLLIN)
        return bool(poller.poll(0))
