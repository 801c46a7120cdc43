"""The process's connections to Redis: one for commands, one for pub/sub, and a pool for arq."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from redis.asyncio import BlockingConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError

from nexent_gql.adapters.redis_connection import RedisConnection, connect_options
from nexent_gql.adapters.redis_multiplexer import RedisMultiplexer
from nexent_gql.adapters.redis_pubsub import RedisPubSub
from nexent_gql.adapters.redis_scripts import Script
from nexent_gql.kernel.errors import UnavailableError

POOL_TIMEOUT_S = 2.0
POOL_WAIT_S = 2
MAX_POOL_CONNECTIONS = 16


class _ReadTimeout(float):
    """Seconds to wait for a reply; false, so that redis-py does not apply it to writes too.

    For writes it uses `asyncio.wait_for`, which swallows a cancellation now and then in Python 3.11: a cancelled
    task would continue as if nothing had happened. For reads it uses `asyncio.timeout`, which does not.
    """

    def __bool__(self) -> bool:
        """Look like "no timeout" to `if socket_timeout:`, and not to `if socket_timeout is not None:`."""
        return False


class RedisCommands:
    """Runs commands that are answered within seconds or raise `UnavailableError`; a command may run twice.

    Blocking commands (BLPOP, XREAD BLOCK) are not allowed: all commands share one connection.
    """

    def __init__(self, multiplexer: RedisMultiplexer) -> None:
        self._multiplexer = multiplexer

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
        """Publish `payload` to the current subscribers of a channel.

        Raises:
            UnavailableError: Redis does not answer.
        """
        await self.execute("PUBLISH", channel, payload)

    async def execute(self, *command: str | bytes | int) -> object:
        """Run any command that answers at once.

        Raises:
            UnavailableError: Redis does not answer or refuses; the command may have run.
        """
        try:
            return await self._multiplexer.execute(*command)
        except (RedisError, OSError) as error:
            raise unavailable(error) from error


@dataclass(frozen=True, slots=True)
class RedisClient:
    """The connections that the Redis adapters of one process share; `pool` is for arq, which needs redis-py's."""

    commands: RedisCommands
    pubsub: RedisPubSub
    pool: BlockingConnectionPool


@asynccontextmanager
async def open_redis(url: str) -> AsyncGenerator[RedisClient]:
    """Yield the process's client for `url` (redis://, rediss:// or unix://); it connects when needed.

    Raises:
        ValueError: `url` has another scheme.
    """
    pool = BlockingConnectionPool(
        **connect_options(url),
        max_connections=MAX_POOL_CONNECTIONS,
        timeout=POOL_WAIT_S,
        socket_timeout=_ReadTimeout(POOL_TIMEOUT_S),
        socket_connect_timeout=POOL_TIMEOUT_S,
        retry=Retry(ExponentialBackoff(cap=0.2, base=0.02), 1),
        retry_on_error=[RedisConnectionError],
    )

    async def connect() -> RedisConnection:
        return await RedisConnection.open(url)

    async def send_heartbeat(channel: str) -> None:
        await commands.publish(channel, b"")

    multiplexer = RedisMultiplexer(connect)
    commands = RedisCommands(multiplexer)
    pubsub = RedisPubSub(connect, send_heartbeat)
    try:
        yield RedisClient(commands, pubsub, pool)
    finally:
        await pubsub.aclose()
        await multiplexer.aclose()
        await pool.disconnect()


def unavailable(error: Exception) -> UnavailableError:
    """Return the error to raise for a failure of Redis or of its connection."""
    return UnavailableError("Redis does not answer; try again.", reason=f"{type(error).__name__}: {error}"[:200])
