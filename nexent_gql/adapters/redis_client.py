"""How this process talks to Redis: one bounded pool for commands, one connection for all pushes."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError

from nexent_gql.adapters.redis_push import RedisPush
from nexent_gql.adapters.redis_push_connection import RedisPushConnection
from nexent_gql.adapters.redis_scripts import Script
from nexent_gql.adapters.redis_url import connect_options
from nexent_gql.kernel.errors import UnavailableError

COMMAND_TIMEOUT_S = 2.0
POOL_WAIT_S = 2
MAX_CONNECTIONS = 32


class _Client(Protocol):
    """The one method of `redis.asyncio.Redis` that is needed here, with types."""

    async def execute_command(self, *args: str | bytes | int) -> object: ...


class _ReadTimeout(float):
    """Seconds to wait for an answer; false, so that redis-py does not guard its writes with it too.

    It does that by `asyncio.wait_for`, which swallows a cancellation now and then in Python 3.11: a cancelled
    task would go on as if nothing had happened. Reads are guarded by `asyncio.timeout`, which does not.
    """

    def __bool__(self) -> bool:
        """Look like "no timeout" to `if socket_timeout:`, and not to `if socket_timeout is not None:`."""
        return False


class RedisCommands:
    """Commands that answer within seconds or fail as `UnavailableError`; nothing here ever blocks the pool."""

    def __init__(self, pool: BlockingConnectionPool) -> None:
        """Use the connections of `pool`, which do not decode responses."""
        self.pool = pool
        self._client = cast("_Client", Redis(connection_pool=pool))

    async def run(self, script: Script, key: str, *args: str | bytes | int) -> object:
        """Run a script on one key, sending its text only when the server does not have it.

        Raises:
            UnavailableError: Redis does not answer or refuses; the script may have run.
        """
        try:
            return await self.execute("EVALSHA", script.sha1, 1, key, *args)
        except UnavailableError as error:
            if not isinstance(error.__cause__, NoScriptError):
                raise
        return await self.execute("EVAL", script.text, 1, key, *args)

    async def publish(self, channel: str, payload: bytes) -> None:
        """Push `payload` to everybody who listens at this moment.

        Raises:
            UnavailableError: Redis does not answer.
        """
        await self.execute("PUBLISH", channel, payload)

    async def execute(self, *command: str | bytes | int) -> object:
        """Run any other command.

        Raises:
            UnavailableError: Redis does not answer or refuses; the command may have run.
        """
        try:
            async with asyncio.timeout(POOL_WAIT_S + COMMAND_TIMEOUT_S):
                return await self._client.execute_command(*command)
        except (RedisError, OSError) as error:
            raise unavailable(error) from error


@dataclass(frozen=True, slots=True)
class RedisLink:
    """What the Redis adapters of one process share."""

    commands: RedisCommands
    push: RedisPush


@asynccontextmanager
async def open_redis(url: str, *, max_connections: int = MAX_CONNECTIONS) -> AsyncGenerator[RedisLink]:
    """Make the process's link to `url` (redis://, rediss:// or unix://); connections are opened when needed.

    A command fails after 2 s without an answer. A connection that turns out to be dead is replaced once,
    silently: all commands here may be sent twice.
    """
    pool = BlockingConnectionPool(
        **connect_options(url),
        max_connections=max_connections,
        timeout=POOL_WAIT_S,
        socket_timeout=_ReadTimeout(COMMAND_TIMEOUT_S),
        socket_connect_timeout=COMMAND_TIMEOUT_S,
        retry=Retry(ExponentialBackoff(cap=0.2, base=0.02), 1),
        retry_on_error=[RedisConnectionError],
    )
    commands = RedisCommands(pool)

    async def connect() -> RedisPushConnection:
        return await RedisPushConnection.open(url)

    async def beat(channel: str) -> None:
        await commands.publish(channel, b"")

    push = RedisPush(connect, beat)
    try:
        yield RedisLink(commands, push)
    finally:
        await push.aclose()
        await pool.disconnect()


def unavailable(error: Exception) -> UnavailableError:
    """Return what to raise for a failure of Redis or of the way to it."""
    return UnavailableError("Redis does not answer; try again.", reason=f"{type(error).__name__}: {error}"[:200])
