"""A pub/sub connection by redis-py's own connection class, without the layers above it."""

from collections.abc import Sequence
from typing import Protocol, Self, cast

from redis.asyncio import ConnectionPool

from nexent_gql.adapters.redis_push import Frame
from nexent_gql.adapters.redis_url import connect_options

CONNECT_TIMEOUT_S = 2.0


class _Connection(Protocol):
    """What is used of `redis.asyncio.connection.AbstractConnection`, with types."""

    async def connect(self) -> None: ...
    async def send_command(self, *args: str | bytes) -> None: ...
    async def read_response(self) -> object: ...
    async def disconnect(self, *, nowait: bool) -> None: ...


class RedisPushConnection:
    """Speaks SUBSCRIBE and UNSUBSCRIBE, and reads what is pushed; never reconnects by itself."""

    def __init__(self, connection: _Connection) -> None:
        """Keep a connection that is open."""
        self._connection = connection

    @classmethod
    async def open(cls, url: str) -> Self:
        """Connect.

        Raises:
            redis.exceptions.RedisError: No connection within 2 s, or the server refuses it.
        """
        pool = ConnectionPool(**connect_options(url), socket_connect_timeout=CONNECT_TIMEOUT_S)
        connection = cast("_Connection", pool.make_connection())
        await connection.connect()
        return cls(connection)

    async def subscribe(self, channels: Sequence[bytes]) -> None:
        """Ask for channels; each is confirmed by a frame of its own."""
        await self._connection.send_command("SUBSCRIBE", *channels)

    async def unsubscribe(self, channels: Sequence[bytes]) -> None:
        """Give channels up."""
        await self._connection.send_command("UNSUBSCRIBE", *channels)

    async def receive(self) -> Sequence[Frame]:
        """Wait for what comes next."""
        kind, channel, payload = cast("tuple[bytes, bytes, bytes | int]", await self._connection.read_response())
        return ((kind, channel, payload if isinstance(payload, bytes) else b""),)

    async def aclose(self) -> None:
        """Close at once."""
        await self._connection.disconnect(nowait=True)
