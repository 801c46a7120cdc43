"""One connection for the short commands of all tasks: they go out together, and answers come back in order.

A pool gives each command a connection, and spends several times the command's own cost on that. Here what is
asked for in the same turn of the event loop is one write, and the answers are one read.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol, cast

import structlog
from hiredis import pack_command  # pyright: ignore[reportUnknownVariableType]
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, RedisError, ResponseError

ANSWER_TIMEOUT_S = 2.0
_TICKS = 4
_CONNECT_PAUSE_S = 0.02
_log = structlog.get_logger()


def encode_command(arguments: Sequence[str | bytes | int]) -> bytes:
    """Return a command as RESP: an array of byte strings."""
    return cast("bytes", pack_command(tuple(arguments)))  # pyright: ignore[reportArgumentType] - not of one


class PipeConnection(Protocol):
    """The wire below; any error of it but `ResponseError` means: dead, make another."""

    async def send(self, packed: bytes) -> None:
        """Send encoded commands."""
        ...

    async def answer(self) -> object:
        """Wait for the next answer; raise it when it is an error."""
        ...

    async def aclose(self) -> None:
        """Close at once."""
        ...


class PipeStalledError(RedisError):
    """A command was not answered in time: the connection is dead, or the server is stuck."""


@dataclass(slots=True)
class _Command:
    packed: bytes
    answer: asyncio.Future[object]
    sent_at_tick: int = 0
    is_second_try: bool = False


@dataclass(slots=True)
class _Line:
    """What is on its way over one connection."""

    sent: deque[_Command] = field(default_factory=deque[_Command])
    tick: int = 0


class RedisPipe:
    """Connects with the first command, and again with the first one after a loss.

    A command whose connection broke before its answer is sent once more: all commands have to bear that.

    Args:
        connect: Opens a connection, or raises `RedisError`, `OSError` or `TimeoutError`.
        answer_timeout_s: How long an answer may take; up to a quarter longer is not noticed.
    """

    def __init__(
        self, connect: Callable[[], Awaitable[PipeConnection]], *, answer_timeout_s: float = ANSWER_TIMEOUT_S
    ) -> None:
        self._connect = connect
        self._tick_s = answer_timeout_s / _TICKS
        self._waiting: deque[_Command] = deque()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def execute(self, *command: str | bytes | int) -> asyncio.Future[object]:
        """Return the answer to come. Giving it up (cancelling) does not keep the command from being run.

        The answer fails with a `ResponseError` when the server refuses, another `RedisError` when it
        can't be reached or does not answer in time.
        """
        answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Command(encode_command(command), answer))
        self._wake.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="redis-pipe")
        return answer

    async def aclose(self) -> None:
        """Close the connection; what is not answered fails."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
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

    async def _use(self, connection: PipeConnection) -> None:
        line = _Line()
        error: Exception = RedisConnectionError("closed")
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._send(connection, line))
                group.create_task(self._watch(line))
                await self._receive(connection, line)
        except* (RedisError, OSError) as errors:
            error = errors.exceptions[0]
            _log.warning("pipe.lost", error=repr(error), unanswered=len(line.sent))
        finally:
            self._recover(line.sent, error)
            await connection.aclose()

    async def _send(self, connection: PipeConnection, line: _Line) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            commands = [command for command in self._waiting if not command.answer.done()]
            self._waiting.clear()
            for command in commands:
                command.sent_at_tick = line.tick
            line.sent.extend(commands)
            await connection.send(b"".join([command.packed for command in commands]))

    async def _receive(self, connection: PipeConnection, line: _Line) -> None:
        while True:
            try:
                answer = await connection.answer()
            except ReadOnlyError:  # a primary that was demoted: what the address leads to now has to be asked anew
                raise
            except ResponseError as error:
                command = line.sent.popleft()
                if not command.answer.done():
                    command.answer.set_exception(error)
            else:
                command = line.sent.popleft()
                if not command.answer.done():
                    command.answer.set_result(answer)

    async def _watch(self, line: _Line) -> None:
        """Find a command that is not answered.

        Time is counted in ticks of this task, so that a blocked event loop, which reads no answers either,
        is not mistaken for a dead connection.
        """
        while not line.sent or line.tick - line.sent[0].sent_at_tick <= _TICKS:
            await asyncio.sleep(self._tick_s)
            line.tick += 1
        raise PipeStalledError(f"no answer within {self._tick_s * _TICKS} s")

    def _recover(self, unanswered: deque[_Command], error: Exception) -> None:
        """Queue what deserves a second try ahead of what waits, and fail the rest."""
        again: list[_Command] = []
        for command in unanswered:
            if command.is_second_try or isinstance(error, PipeStalledError):
                self._fail([command], error)
            else:
                command.is_second_try = True
                again.append(command)
        self._waiting.extendleft(reversed(again))
        if self._waiting:
            self._wake.set()

    def _fail(self, commands: deque[_Command] | list[_Command], error: Exception) -> None:
        for command in commands:
            if not command.answer.done():
                command.answer.set_exception(error)
        commands.clear()
