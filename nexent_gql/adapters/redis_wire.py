"""One connection to Redis: redis-py opens it and reads it, without the layers above."""

import asyncio
from collections.abc import Sequence
from typing import Protocol, Self, cast

from redis.asyncio import ConnectionPool
from redis.asyncio.connection import ConnectKwargs, parse_url

CONNECT_TIMEOUT_S = 1.5
_OURS = ("max_connections", "timeout", "socket_timeout", "socket_connect_timeout", "retry_on_timeout")

Frame = tuple[bytes, bytes, bytes]
"""What is pushed: kind ("message", "subscribe", "unsubscribe"), channel, payload."""


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

    async def connect(self) -> None: ...
    async def send_command(self, *args: str | bytes) -> None: ...
    async def send_packed_command(self, command: bytes) -> None: ...
    async def read_response(self) -> object: ...
    async def disconnect(self, *, nowait: bool) -> None: ...


class RedisWire:
    """A connection that is open, or dead for ever; never reconnects, and has no timeouts but for opening."""

    def __init__(self, connection: _Connection) -> None:
        """Keep a connection that is open."""
        self._connection = connection

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
        await self._connection.send_packed_command(packed)

    async def answer(self) -> object:
        """Wait for the next answer.

        Raises:
            redis.exceptions.ResponseError: The answer is an error; the connection goes on.
            redis.exceptions.ConnectionError: The connection is dead.
        """
        return await self._connection.read_response()

    async def subscribe(self, channels: Sequence[bytes]) -> None:
        """Ask for channels; each is confirmed by a frame of its own."""
        await self._connection.send_command("SUBSCRIBE", *channels)

    async def unsubscribe(self, channels: Sequence[bytes]) -> None:
        """Give channels up."""
        await self._connection.send_command("UNSUBSCRIBE", *channels)

    async def receive(self) -> Sequence[Frame]:
        """Wait for what is pushed next."""
        kind, channel, payload = cast("tuple[bytes, bytes, bytes | int]", await self.answer())
        return ((kind, channel, payload if isinstance(payload, bytes) else b""),)

    async def aclose(self) -> None:
        """Close at once."""
        await self._connection.disconnect(nowait=True)
