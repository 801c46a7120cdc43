"""One worker of `monty`: snippets in, printed text and host calls out."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import cast

import structlog
from pydantic_monty import (
    AsyncFunctionSnapshot,
    AsyncFutureSnapshot,
    AsyncMontySession,
    AsyncNameLookupSnapshot,
    AsyncSnapshot,
    CollectString,
    ExternalResult,
    MontyComplete,
    MontyCrashedError,
    MontyError,
    MontyRuntimeError,
    MontySyntaxError,
)

from nexent_gql.adapters.child_processes import ChildProcess
from nexent_gql.adapters.sandbox_monty.values import TooLargeError, readable, to_json
from nexent_gql.kernel.json import JsonObject
from nexent_gql.ports.sandbox import CodeLimits, CodeResult, EndOfCode, HostCallError, HostFunction

Functions = Mapping[str, HostFunction]
OpenSlot = Callable[[], AbstractAsyncContextManager[None]]
_MAX_ERROR_CHARS = 4_000
_MAX_ROUND_TRIPS = 1_000
_FILE = re.compile(r"<python-input-\d+>")  # numbers the snippets of the session, which differs after a restart
_LONG_S = 0.5  # long computations get a lower priority than new ones
_LONG_NICENESS = 19
_END: ExternalResult = {"exc_type": "SystemExit"}
_log = structlog.get_logger()


class MontyCodeSession:
    """Implements `CodeSession`; holds a `slot` while the worker's `process` computes."""

    def __init__(self, worker: AsyncMontySession, process: ChildProcess, limits: CodeLimits, slot: OpenSlot) -> None:
        self.worker_pid = process.pid
        self._worker = worker
        self._process = process
        self._limits = limits
        self._slot = slot
        self._stopped = False

    @property
    def is_stopped(self) -> bool:
        """Whether the session ended with its process."""
        return self._stopped

    async def is_alive(self) -> bool:
        if not self._stopped:
            try:
                await self._worker.feed_run("None")
            except MontyError:
                self._stop()
        return not self._stopped

    async def execute(self, code: str, functions: Functions) -> CodeResult:
        if self._stopped:
            raise RuntimeError("This session has ended.")
        if len(code) > self._limits.code_chars:
            return CodeResult("", error=f"The code is longer than {self._limits.code_chars:,} characters.")
        printed = CollectString(self._limits.output_bytes)
        turn = _Snippet(functions, self._limits, self._compute)
        try:
            value = await turn.run(self._worker, code, printed)
            return CodeResult(printed.output, None if value is None else readable(value, self._limits.output_bytes))
        except MontyError as error:
            return self._ended(error, turn, printed.output)
        except _TooManyCallsError:
            self._stop()
            problem = (
                f"The code called functions more than {self._limits.host_calls} times, or made too many other requests."
            )
            return CodeResult(printed.output, error=problem, stopped=True)
        except BaseException:
            self._stop()
            raise

    async def _compute(self, begin: "Callable[[], Awaitable[AsyncSnapshot]]") -> AsyncSnapshot:
        async with self._slot():
            demotion = asyncio.get_running_loop().call_later(_LONG_S, self._process.lower_priority, _LONG_NICENESS)
            try:
                return await begin()
            finally:
                demotion.cancel()

    def _ended(self, error: MontyError, turn: "_Snippet", printed: str) -> CodeResult:
        problem = self._broken_limit(error)
        if problem is not None:
            self._stop()
            return CodeResult(printed, error=problem, stopped=True)
        if turn.ended and isinstance(error.exception(), SystemExit):
            return CodeResult(printed)
        message_text = error.display() if isinstance(error, MontyRuntimeError | MontySyntaxError) else str(error)
        return CodeResult(printed, error=_FILE.sub("<snippet>", message_text[-_MAX_ERROR_CHARS:]))

    def _broken_limit(self, error: MontyError) -> str | None:
        """Return a message about the exceeded limit; None when the code merely failed and the session is intact."""
        limits = self._limits
        if isinstance(error, MontyCrashedError):
            return f"The code ran longer than {limits.wall_s:g} s." if error.timed_out else "The code's process died."
        inner = error.exception()
        if "limit" not in str(inner):  # the code itself may raise the same errors
            return None
        if isinstance(inner, TimeoutError):
            return f"The code ran longer than {limits.wall_s:g} s."
        if isinstance(inner, MemoryError):
            return (
                f"The code used more than {limits.memory_bytes >> 20} MB of memory, "
                f"or printed more than {limits.output_bytes >> 10} kB."
            )
        return None

    def _stop(self) -> None:
        self._stopped = True
        self._process.kill()
        _log.info("sandbox.worker_killed", pid=self.worker_pid)


class _TooManyCallsError(Exception):
    """The snippet makes too many host calls."""


class _Snippet:
    """Runs one snippet; the code sees host functions as ordinary synchronous functions."""

    def __init__(
        self,
        functions: Functions,
        limits: CodeLimits,
        compute: "Callable[[Callable[[], Awaitable[AsyncSnapshot]]], Awaitable[AsyncSnapshot]]",
    ) -> None:
        self.ended = False
        self._functions = functions
        self._limits = limits
        self._compute = compute
        self._calls = 0
        self._round_trips = 0

    async def run(self, worker: AsyncMontySession, code: str, printed: CollectString) -> object:
        """Return the value of the last expression.

        Raises:
            MontyError: The code failed, or broke a limit.
        """
        snapshot = await self._compute(lambda: worker.feed_start(code, print_callback=printed))
        while not isinstance(snapshot, MontyComplete):
            snapshot = await self._answer(snapshot)
        return snapshot.output

    async def _answer(
        self, snapshot: AsyncFunctionSnapshot | AsyncNameLookupSnapshot | AsyncFutureSnapshot
    ) -> AsyncSnapshot:
        self._round_trips += 1
        if self._round_trips > _MAX_ROUND_TRIPS:
            raise _TooManyCallsError
        if isinstance(snapshot, AsyncFutureSnapshot):
            raise TypeError("no host function is asynchronous to the code")
        if isinstance(snapshot, AsyncNameLookupSnapshot):
            return await self._compute(lambda: self._look_up(snapshot))
        if snapshot.is_os_function:
            return await self._compute(snapshot.resume_not_handled)
        result = await self._call(snapshot)
        return await self._compute(lambda: snapshot.resume(result))

    def _look_up(self, snapshot: AsyncNameLookupSnapshot) -> Awaitable[AsyncSnapshot]:
        """Resolve a name: a placeholder for a host function, or undefined."""
        name = snapshot.variable_name
        if snapshot.object_id is not None or name not in self._functions:
            return snapshot.resume()

        def placeholder() -> None:
            """Stand for the host function; calls arrive as snapshots."""

        placeholder.__name__ = name
        return snapshot.resume(value=placeholder)

    async def _call(self, snapshot: AsyncFunctionSnapshot) -> ExternalResult:
        name = snapshot.function_name
        function = self._functions.get(name)
        if function is None:
            return {"exc_type": "NameError", "message": f"name {name!r} is not defined"}
        self._calls += 1
        if self._calls > self._limits.host_calls:
            raise _TooManyCallsError
        if self.ended:
            return _END
        try:
            positional = to_json(snapshot.args, self._limits.output_bytes)
            named = to_json(snapshot.kwargs, self._limits.output_bytes)
        except TooLargeError:
            return {"exc_type": "ValueError", "message": f"the arguments of {name} are too large"}
        return await self._ask(function, tuple(cast("list[str]", positional)), cast("JsonObject", named))

    async def _ask(self, function: HostFunction, positional: tuple[str, ...], named: JsonObject) -> ExternalResult:
        try:
            return {"return_value": await function(positional, named)}
        except HostCallError as error:
            return {"exc_type": "RuntimeError", "message": str(error)}
        except EndOfCode:
            self.ended = True
            return _END
