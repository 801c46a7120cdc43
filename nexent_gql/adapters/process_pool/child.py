"""The parent's side of one child process of the pool."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Self, cast
from uuid import UUID

from nexent_gql.adapters.child_processes import ChildProcess, OrphanGuard
from nexent_gql.adapters.process_pool.child_main import FAILED, NO_MEMORY, RESULT, TOO_LARGE
from nexent_gql.ports.processes import (
    Limit,
    LimitExceededError,
    ProcessCrashedError,
    ProcessesUnavailableError,
    ProcessLimits,
    Task,
    TaskFailedError,
)

_PROGRAM = Path(__file__).with_name("child_main.py")
_HEADER_BYTES = 4
_MAX_ERROR_BYTES = 16_000  # of an error message
_CHUNK_BYTES = 65_536
_START_S = 30.0
_END_S = 5.0
_NICENESS = 10  # requests take precedence over computations


class TaskNotStartedError(ProcessCrashedError):
    """The process ended before it began the task, which another process can do."""


class Child:
    """One process, created by `start`. Runs one task at a time.

    Attributes:
        tenant_id: The tenant whose data it has seen; None before its first task.
        tasks: The number of tasks it has run.
        confinement: The restrictions in force, by name.
    """

    def __init__(self, process: asyncio.subprocess.Process, guard: OrphanGuard) -> None:
        self.tenant_id: UUID | None = None
        self.tasks = 0
        self.confinement: dict[str, bool] = {}
        self._process = process
        self._guard = guard
        guard.add(-process.pid)  # a process group, so that its own children end with it

    @classmethod
    async def start(cls, guard: OrphanGuard) -> Self:
        """Start a process and wait until it accepts tasks.

        Raises:
            ProcessesUnavailableError: The process does not start.
        """
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", "-B", str(_PROGRAM)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={"LC_ALL": "C.UTF-8", "TZ": "UTC", "OMP_NUM_THREADS": "1"},
                start_new_session=True,
            )
        except OSError as error:
            raise ProcessesUnavailableError(f"No child process can be started: {error.strerror}.") from error
        child = cls(process, guard)
        try:
            async with asyncio.timeout(_START_S):
                await child._send(json.dumps({"path": sys.path, "parent": os.getpid()}).encode())
                _, body = await child._receive(_MAX_ERROR_BYTES)
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            await child.end()
            raise ProcessesUnavailableError("A child process did not start; see the log.") from error
        except BaseException:
            child.kill()
            raise
        child.confinement = json.loads(body)
        with ChildProcess(process.pid) as handle:
            handle.lower_priority(_NICENESS)
        return child

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.returncode is None

    async def run(self, task: Task, payload: bytes, limits: ProcessLimits) -> bytes:
        """Run one task; after any error but `TaskFailedError` the process has ended or must be ended.

        Raises:
            LimitExceededError: The task used more than it may.
            ProcessCrashedError: The process ended.
            TaskFailedError: The task raised an exception.
            TaskNotStartedError: The process had ended before.
        """
        self.tasks += 1
        has_started = False
        header = {
            "module": task.module,
            "function": task.function,
            "memory_bytes": limits.memory_bytes,
            "cpu_s": limits.cpu_s,
            "output_bytes": limits.output_bytes,
        }
        try:
            async with asyncio.timeout(limits.wall_s):
                await self._send(json.dumps(header).encode())
                await self._send(payload)
                await self._receive(_MAX_ERROR_BYTES)
                has_started = True
                kind, body = await self._receive(max(limits.output_bytes, _MAX_ERROR_BYTES))
        except TimeoutError:
            raise LimitExceededError(Limit.WALL_TIME, limits.wall_s) from None
        except (OSError, asyncio.IncompleteReadError):
            error = await self._explain_end(limits)
            raise error if has_started else TaskNotStartedError(error.message, **error.details) from None
        if kind == RESULT:
            return body
        raise _failure(kind, body, limits)

    async def end(self) -> None:
        """Kill the process group and wait until it has ended."""
        self.kill()
        with suppress(TimeoutError):
            async with asyncio.timeout(_END_S):
                await self._process.wait()
                await self._drain()

    def kill(self) -> None:
        """Kill the process group without waiting."""
        self._guard.remove(-self.pid)
        if self.is_running:  # the id is not reused until the process is reaped
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        if self._process.stdin is not None:
            self._process.stdin.close()

    async def _drain(self) -> None:
        """Read until the pipe ends, which closes it; a running task does the same."""
        if self._process.stdout is not None:
            with suppress(RuntimeError):
                while await self._process.stdout.read(_CHUNK_BYTES):
                    continue

    async def _send(self, message: bytes) -> None:
        pipe = cast("asyncio.StreamWriter", self._process.stdin)
        pipe.write(len(message).to_bytes(_HEADER_BYTES, "big"))
        pipe.write(message)
        await pipe.drain()

    async def _receive(self, most_bytes: int) -> tuple[bytes, bytes]:
        """Return the kind and the body of an answer; an answer above the size limit counts as a crash."""
        pipe = cast("asyncio.StreamReader", self._process.stdout)
        size = int.from_bytes(await pipe.readexactly(_HEADER_BYTES), "big")
        if not 0 < size <= most_bytes + 1:
            self.kill()
            raise asyncio.IncompleteReadError(b"", size)
        answer = await pipe.readexactly(size)
        return answer[:1], answer[1:]

    async def _explain_end(self, limits: ProcessLimits) -> LimitExceededError | ProcessCrashedError:
        await self.end()
        status = self._process.returncode
        if status == -signal.SIGXCPU:
            return LimitExceededError(Limit.CPU_TIME, limits.cpu_s)
        cause = f"signal {-status}" if status is not None and status < 0 else f"status {status}"
        return ProcessCrashedError(f"The process that did the work ended with {cause}.", status=status)


def _failure(kind: bytes, body: bytes, limits: ProcessLimits) -> LimitExceededError | TaskFailedError:
    if kind == NO_MEMORY:
        return LimitExceededError(Limit.MEMORY, limits.memory_bytes)
    if kind == TOO_LARGE:
        return LimitExceededError(Limit.OUTPUT, limits.output_bytes)
    name, message = json.loads(body) if kind == FAILED else ("ValueError", "the answer is of an unknown kind")
    return TaskFailedError(name, message)
