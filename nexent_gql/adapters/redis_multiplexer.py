"""One connection for the short commands of all tasks: they are sent together, and replies arrive in order.

A pool gives each command a connection, at several times the cost of the command. Here the commands of one turn of the
event loop are one write, and their replies are one read.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, cast

import structlog
from hiredis import pack_command  # pyright: ignore[reportUnknownVariableType]
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, RedisError, ResponseError

from nexent_gql.kernel.tasks import cancel

ANSWER_TIMEOUT_S = 2.0
_TICKS = 4
_CONNECT_PAUSE_S = 0.02
_log = structlog.get_logger()


def encode_command(arguments: Sequence[str | bytes | int]) -> bytes:
    """Return a command as RESP: an array of byte strings."""
    return cast("bytes", pack_command(tuple(arguments)))  # pyright: ignore[reportArgumentType] - not of one


class CommandConnection(Protocol):
    """The connection below; after any error but `ResponseError` it is dead and is replaced."""

    async def send(self, packed: bytes) -> None:
        """Send encoded commands."""
        ...

    async def answer(self) -> object:
        """Wait for the next reply; raise it if it is an error."""
        ...

    async def aclose(self) -> None:
        """Close at once."""
        ...


class ConnectionStalledError(RedisError):
    """A command was not answered in time: the connection is dead, or the server hangs."""


@dataclass(slots=True)
class _Command:
    packed: bytes
    answer: asyncio.Future[object]
    sent_at_tick: int = 0
    is_second_try: bool = False


@dataclass(slots=True)
class _InFlight:
    """Commands sent over one connection and not answered yet."""

    unanswered: deque[_Command] = field(default_factory=deque[_Command])
    tick: int = 0


class RedisMultiplexer:
    """Connects for the first command, and again for the first one after a lost connection.

    A command whose connection broke before its reply is sent a second time: all commands must be idempotent.

    Args:
        connect: Opens a connection, or raises `RedisError`, `OSError` or `TimeoutError`.
        answer_timeout_s: Time limit of a reply; it is enforced with a delay of up to a quarter of it.
    """

    def __init__(
        self, connect: Callable[[], Awaitable[CommandConnection]], *, answer_timeout_s: float = ANSWER_TIMEOUT_S
    ) -> None:
        self._connect = connect
        self._tick_s = answer_timeout_s / _TICKS
        self._waiting: deque[_Command] = deque()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def execute(self, *command: str | bytes | int) -> asyncio.Future[object]:
        """Return a future of the reply. Cancelling it does not stop the command.

        The future fails with a `ResponseError` if the server refuses, with another `RedisError` if it can't be reached
        or does not answer in time.
        """
        answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Command(encode_command(command), answer))
        self._wake.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="redis-commands")
        return answer

    async def aclose(self) -> None:
        """Close the connection; commands without a reply fail."""
        task, self._task = self._task, None
        await cancel(task)
        self._fail(self._waiting, RedisConnectionError("closed"))

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            try:
                connection = await self._connect()
            except (RedisError, OSError) as error:
                self._fail(self._waiting, error)
                await asyncio.sleep(_CONNECT_PAUSE_S)
            else:
                await self._use(connection)

    async def _use(self, connection: CommandConnection) -> None:
        in_flight = _InFlight()
        error: Exception = RedisConnectionError("closed")
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._send(connection, in_flight))
                group.create_task(self._watch(in_flight))
                await self._receive(connection, in_flight)
        except* (RedisError, OSError) as errors:
            error = errors.exceptions[0]
            _log.warning("redis.connection_lost", error=repr(error), unanswered=len(in_flight.unanswered))
        finally:
            self._recover(in_flight.unanswered, error)
            await connection.aclose()

    async def _send(self, connection: CommandConnection, in_flight: _InFlight) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            commands = [command for command in self._waiting if not command.answer.done()]
            self._waiting.clear()
            for command in commands:
                command.sent_at_tick = in_flight.tick
            in_flight.unanswered.extend(commands)
            await connection.send(b"".join([command.packed for command in commands]))

    async def _receive(self, connection: CommandConnection, in_flight: _InFlight) -> None:
        while True:
            try:
                answer = await connection.answer()
            except ReadOnlyError:  # a primary that was demoted: resolve the address again
                raise
            except ResponseError as error:
                command = in_flight.unanswered.popleft()
                if not command.answer.done():
                    command.answer.set_exception(error)
            else:
                command = in_flight.unanswered.popleft()
                if not command.answer.done():
                    command.answer.set_result(answer)

    async def _watch(self, in_flight: _InFlight) -> None:
        """Raise if a command is not answered in time.

        Time is counted in ticks of this task, so that a blocked event loop, which reads no replies either, is not
        mistaken for a dead connection.
        """
        while not in_flight.unanswered or in_flight.tick - in_flight.unanswered[0].sent_at_tick <= _TICKS:
            await asyncio.sleep(self._tick_s)
            in_flight.tick += 1
        raise ConnectionStalledError(f"no answer within {self._tick_s * _TICKS} s")

    def _recover(self, unanswered: deque[_Command], error: Exception) -> None:
        """Put commands that may be sent again at the head of the queue, and fail the rest."""
        retried: list[_Command] = []
        for command in unanswered:
            if command.is_second_try or isinstance(error, ConnectionStalledError):
                self._fail([command], error)
            else:
                command.is_second_try = True
                retried.append(command)
        self._waiting.extendleft(reversed(retried))
        if self._waiting:
            self._wake.set()

    def _fail(self, commands: deque[_Command] | list[_Command], error: Exception) -> None:
        for command in commands:
            if not command.answer.done():
                command.answer.set_exception(error)
        commands.clear()
