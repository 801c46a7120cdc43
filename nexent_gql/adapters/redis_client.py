"""How this process talks to Redis: one connection for commands, one for all pushes, and a pool for arq."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from redis.asyncio import BlockingConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError

from nexent_gql.adapters.redis_pipe import RedisPipe
from nexent_gql.adapters.redis_push import RedisPush
from nexent_gql.adapters.redis_scripts import Script
from nexent_gql.adapters.redis_wire import RedisWire, connect_options
from nexent_gql.kernel.errors import UnavailableError

POOL_TIMEOUT_S = 2.0
POOL_WAIT_S = 2
MAX_POOL_CONNECTIONS = 16


class _ReadTimeout(float):
    """Seconds to wait for an answer; false, so that redis-py does not guard its writes with it too.

    It does that by `asyncio.wait_for`, which swallows a cancellation now and then in Python 3.11: a cancelled
    task would go on as if nothing had happened. Reads are guarded by `asyncio.timeout`, which does not.
    """

    def __bool__(self) -> bool:
        """Look like "no timeout" to `if socket_timeout:`, and not to `if socket_timeout is not None:`."""
        return False


class RedisCommands:
    """Commands that answer within seconds or fail as `UnavailableError`; a command may run twice.

    None may block (no BLPOP, no XREAD BLOCK): they share one connection.
    """

    def __init__(self, pipe: RedisPipe) -> None:
        self._pipe = pipe

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
        """Run any command that answers at once.

        Raises:
            UnavailableError: Redis does not answer or refuses; the command may have run.
        """
        try:
            return await self._pipe.execute(*command)
        except (RedisError, OSError) as error:
            raise unavailable(error) from error


@dataclass(frozen=True, slots=True)
class RedisLink:
    """What the Redis adapters of one process share; `pool` is for arq, which wants redis-py's."""

    commands: RedisCommands
    push: RedisPush
    pool: BlockingConnectionPool


@asynccontextmanager
async def open_redis(url: str) -> AsyncGenerator[RedisLink]:
    """Make the process's link to `url` (redis://, rediss:// or unix://); connections are opened when needed.

    Raises:
        ValueError: Not such a URL.
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

    async def connect() -> RedisWire:
        return await RedisWire.open(url)

    async def beat(channel: str) -> None:
        await commands.publish(channel, b"")

    pipe = RedisPipe(connect)
    commands = RedisCommands(pipe)
    push = RedisPush(connect, beat)
    try:
        yield RedisLink(commands, push, pool)
    finally:
        await push.aclose()
        await pipe.aclose()
        await pool.disconnect()


def unavailable(error: Exception) -> UnavailableError:
    """Return what to raise for a failure of Redis or of the way to it."""
    return UnavailableError("Redis does not answer; try again.", reason=f"{type(error).__name__}: {error}"[:200])
