"""One connection to Redis: redis-py opens it, hiredis reads it on the bare transport."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Never, Protocol, Self, cast

import hiredis
from redis.asyncio import ConnectionPool
from redis.asyncio.connection import ConnectKwargs, parse_url
from redis.exceptions import BusyLoadingError, NoScriptError, ReadOnlyError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

from nexent_gql.adapters.redis_pipe import encode_command

CONNECT_TIMEOUT_S = 1.5
_OURS = ("max_connections", "timeout", "socket_timeout", "socket_connect_timeout", "retry_on_timeout")
_ERRORS = {"LOADING": BusyLoadingError, "NOSCRIPT": NoScriptError, "READONLY": ReadOnlyError}

Frame = tuple[bytes, bytes, bytes]
"""What is pushed: kind ("message", "subscribe", "unsubscribe"), channel, payload (a number for the other kinds)."""


def connect_options(url: str) -> ConnectKwargs:
    """Return redis-py's options for a redis://, rediss:// or unix:// URL, without those that are ours to set.

    Raises:
        ValueError: Not such a URL.
    """
    options = parse_url(url)
    for name in _OURS:
        cast("dict[str, object]", options).pop(name, None)
    return options


class _Connection(Protocol):
    """What is used of `redis.asyncio.connection.AbstractConnection`, with types."""

    _writer: asyncio.StreamWriter

    async def connect(self) -> None: ...
    async def disconnect(self, *, nowait: bool) -> None: ...


class RedisWire(asyncio.Protocol):
    """A connection that is open, or dead for ever; never reconnects, and has no timeouts but for opening.

    redis-py spends more on each answer than the rest of a delivery costs, so it only connects and logs in. All that
    one read of the socket brings is parsed at once, and wakes its reader once.
    """

    def __init__(self, connection: _Connection) -> None:
        """Take over a connection that is open and has nothing outstanding."""
        self._connection = connection
        self._transport = connection._writer.transport  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        self._parser = hiredis.Reader(replyError=_error_of)
        self._received: list[object] = []
        self._taken = 0
        self._reading: asyncio.Future[None] | None = None
        self._take: Callable[[Frame], None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._end: Exception | None = None
        self._transport.set_protocol(self)

    @classmethod
    async def open(cls, url: str) -> Self:
        """Connect, and log in as the URL says.

        Raises:
            redis.exceptions.RedisError: The server is not there or refuses.
            TimeoutError: It did not answer within 1.5 s.
        """
        pool = ConnectionPool(**connect_options(url))
        connection = cast("_Connection", pool.make_connection())
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await connection.connect()
        return cls(connection)

    async def send(self, packed: bytes) -> None:
        """Send commands that are encoded already; waits while the other side takes nothing."""
        if self._end is not None:
            raise self._end
        self._transport.write(packed)
        await self._writable.wait()

    async def answer(self) -> object:
        """Wait for the next answer.

        Raises:
            redis.exceptions.ResponseError: The answer is an error; the connection goes on.
            redis.exceptions.ConnectionError: The connection is dead.
        """
        if self._taken == len(self._received):
            self._received, self._taken = [], 0
            await self._more()
        answer = self._received[self._taken]
        self._taken += 1
        if isinstance(answer, RedisError):
            raise answer
        return answer

    async def subscribe(self, channels: Sequence[bytes]) -> None:
        """Ask for channels; each is confirmed by a frame of its own."""
        await self.send(encode_command((b"SUBSCRIBE", *channels)))

    async def unsubscribe(self, channels: Sequence[bytes]) -> None:
        """Give channels up."""
        await self.send(encode_command((b"UNSUBSCRIBE", *channels)))

    async def listen(self, take: Callable[[Frame], None]) -> Never:
        """Give what is pushed to `take`, from within the read that brings it.

        Raises:
            redis.exceptions.RedisError: The connection is dead, or the server refuses something.
        """
        self._take = take
        while True:
            self._deliver()
            await self._more()

    async def aclose(self) -> None:
        """Close at once."""
        await self._connection.disconnect(nowait=True)

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        parser = self._parser
        try:
            parser.feed(data)
            while (answer := parser.gets()) is not False:
                self._received.append(answer)
        except hiredis.ProtocolError as error:
            self.connection_lost(error)
            self._transport.abort()
        if self._take is None:
            self._wake()
        else:
            self._deliver()

    def connection_lost(self, exc: Exception | None) -> None:
        """Be dead; what came before can still be taken."""
        lost = exc if isinstance(exc, RedisError) else RedisConnectionError(f"lost: {exc or 'closed by the server'}")
        self._end = self._end or lost
        self._writable.set()
        self._wake()

    def pause_writing(self) -> None:
        """Let `send` wait."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let `send` go on."""
        self._writable.set()

    def _deliver(self) -> None:
        received, self._received, take = self._received, [], self._take
        for frame in received:
            if type(frame) is not list or take is None:
                self.connection_lost(frame if isinstance(frame, RedisError) else None)
            else:
                take(frame)  # pyright: ignore[reportArgumentType] - what Redis pushes

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
