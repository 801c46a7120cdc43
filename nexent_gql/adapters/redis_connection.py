"""One connection to Redis: redis-py opens it, hiredis parses what its transport receives."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Never, Protocol, Self, cast

import hiredis
from redis.asyncio import ConnectionPool
from redis.asyncio.connection import ConnectKwargs, parse_url
from redis.exceptions import BusyLoadingError, NoScriptError, ReadOnlyError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

from nexent_gql.adapters.redis_multiplexer import encode_command

CONNECT_TIMEOUT_S = 1.5
_OURS = ("max_connections", "timeout", "socket_timeout", "socket_connect_timeout", "retry_on_timeout")
_ERRORS = {"LOADING": BusyLoadingError, "NOSCRIPT": NoScriptError, "READONLY": ReadOnlyError}

Frame = tuple[bytes, bytes, bytes]
"""A pub/sub frame: kind ("message", "subscribe", "unsubscribe"), channel, payload (a number for the last two)."""


def connect_options(url: str) -> ConnectKwargs:
    """Return redis-py's options for a redis://, rediss:// or unix:// URL, without those that we set.

    Raises:
        ValueError: `url` has another scheme.
    """
    options = parse_url(url)
    for name in _OURS:
        cast("dict[str, object]", options).pop(name, None)
    return options


class _Connection(Protocol):
    """The part of `redis.asyncio.connection.AbstractConnection` that we use, typed."""

    _writer: asyncio.StreamWriter

    async def connect(self) -> None: ...
    async def disconnect(self, *, nowait: bool) -> None: ...


class RedisConnection(asyncio.Protocol):
    """A connection that is open or dead; it never reconnects, and has no time-outs except for opening.

    Parsing a reply with redis-py costs more than the rest of a delivery, so redis-py only connects and authenticates.
    All bytes of one read are parsed at once, and wake the reader once.
    """

    def __init__(self, connection: _Connection) -> None:
        """Take over an open connection without outstanding replies."""
        self._connection = connection
        self._transport = connection._writer.transport  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        self._parser = hiredis.Reader(replyError=_error_of)
        self._received: list[object] = []
        self._next = 0
        self._reading: asyncio.Future[None] | None = None
        self._handle: Callable[[Frame], None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._end: Exception | None = None
        self._transport.set_protocol(self)

    @classmethod
    async def open(cls, url: str) -> Self:
        """Connect and authenticate according to the URL.

        Raises:
            redis.exceptions.RedisError: The server can't be reached or refuses.
            TimeoutError: No answer within 1.5 s.
        """
        pool = ConnectionPool(**connect_options(url))
        connection = cast("_Connection", pool.make_connection())
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await connection.connect()
        return cls(connection)

    async def send(self, packed: bytes) -> None:
        """Send encoded commands; waits while the write buffer is full."""
        if self._end is not None:
            raise self._end
        self._transport.write(packed)
        await self._writable.wait()

    async def answer(self) -> object:
        """Wait for the next reply.

        Raises:
            redis.exceptions.ResponseError: The reply is an error; the connection stays open.
            redis.exceptions.ConnectionError: The connection is dead.
        """
        if self._next == len(self._received):
            self._received, self._next = [], 0
            await self._more()
        answer = self._received[self._next]
        self._next += 1
        if isinstance(answer, RedisError):
            raise answer
        return answer

    async def subscribe(self, channels: Sequence[bytes]) -> None:
        """Subscribe to channels; a frame confirms each."""
        await self.send(encode_command((b"SUBSCRIBE", *channels)))

    async def unsubscribe(self, channels: Sequence[bytes]) -> None:
        """Unsubscribe from channels."""
        await self.send(encode_command((b"UNSUBSCRIBE", *channels)))

    async def listen(self, handle: Callable[[Frame], None]) -> Never:
        """Pass each frame to `handle`, from within the read that brings it.

        Raises:
            redis.exceptions.RedisError: The connection is dead, or the server refuses something.
        """
        self._handle = handle
        while True:
            self._deliver()
            await self._more()

    async def aclose(self) -> None:
        """Close at once."""
        await self._connection.disconnect(nowait=True)

    def data_received(self, data: bytes) -> None:
        """Parse received bytes."""
        parser = self._parser
        try:
            parser.feed(data)
            while (answer := parser.gets()) is not False:
                self._received.append(answer)
        except hiredis.ProtocolError as error:
            self.connection_lost(error)
            self._transport.abort()
        if self._handle is None:
            self._wake()
        else:
            self._deliver()

    def connection_lost(self, exc: Exception | None) -> None:
        """Mark the connection as dead; replies received before can still be read."""
        error = exc if isinstance(exc, RedisError) else RedisConnectionError(f"lost: {exc or 'closed by the server'}")
        self._end = self._end or error
        self._writable.set()
        self._wake()

    def pause_writing(self) -> None:
        """Make `send` wait."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let `send` continue."""
        self._writable.set()

    def _deliver(self) -> None:
        received, self._received, handle = self._received, [], self._handle
        for frame in received:
            if type(frame) is not list or handle is None:
                self.connection_lost(frame if isinstance(frame, RedisError) else None)
            else:
                handle(frame)  # pyright: ignore[reportArgumentType] - what Redis pushes

    async def _more(self) -> None:
        while not self._received:
            if self._end is not None:
                raise self._end
            self._reading = asyncio.get_running_loop().create_future()
            await self._reading

    def _wake(self) -> None:
        if self._reading is not None and not self._reading.done():
            self._reading.set_result(None)


def _error_of(text: str) -> RedisError:
    return _ERRORS.get(text.split(" ", 1)[0], ResponseError)(text)
