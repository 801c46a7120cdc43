"""Keeps a child process warm for one model, and shares it between tenants."""

import asyncio
from contextlib import suppress

import structlog

from nexent_gql.adapters.child_processes import OrphanGuard
from nexent_gql.adapters.process_pool.child import Child
from nexent_gql.kernel.fairness import FairSemaphore, Owner
from nexent_gql.ports.processes import ProcessCrashedError, ProcessLimits, Task, TaskFailedError

LIMITS = ProcessLimits(memory_bytes=1536 * 1024 * 1024, cpu_s=120, wall_s=180, output_bytes=64 * 1024 * 1024)
_log = structlog.get_logger()


class WarmChild:
    """Runs tasks one at a time in one process; tenants, and users within them, take turns.

    Loading a model takes a second or two, so that the process stays until nothing has run for `idle_s` seconds. Unlike
    the children of the pool it serves all tenants: its tasks turn texts into numbers and keep nothing of them.

    Args:
        guard: Ends the process if this one dies.
        idle_s: Seconds without a task after which the process is ended.
    """

    def __init__(self, guard: OrphanGuard, idle_s: float) -> None:
        self._guard = guard
        self._idle_s = idle_s
        self._slots = FairSemaphore(1)
        self._child: Child | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._running: set[asyncio.Task[bytes]] = set()
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def pid(self) -> int | None:
        """The process id; None while there is no process."""
        return self._child.pid if self._child is not None else None

    async def run(self, task: Task, payload: bytes, owner: Owner) -> bytes:
        """Return the task's result; a process that crashed is replaced once.

        A task that has begun runs to its end also when the caller is cancelled: killing it would cost the next caller
        the time to load the model.

        Raises:
            PoolOverloadedError: Too much work of the tenant waits already.
            LimitExceededError: The task used more than it may.
            ProcessCrashedError: The process ended by itself, or was killed, twice.
            ProcessesUnavailableError: No process can be started.
            TaskFailedError: The task raised an exception.
        """
        running = asyncio.create_task(self._run(task, payload, owner))
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        return await asyncio.shield(running)

    async def aclose(self) -> None:
        """End the process, and the tasks that run in it."""
        self._cancel_timer()
        for running in self._running:
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        if self._child is not None:
            await self._child.end()
            self._child = None
        await asyncio.gather(*self._ending)

    async def _run(self, task: Task, payload: bytes, owner: Owner) -> bytes:
        async with self._slots.slot(owner):
            self._cancel_timer()
            try:
                try:
                    return await self._attempt(task, payload)
                except ProcessCrashedError as error:
                    _log.warning("local_model.crashed", task=task.function, **error.details)
                    return await self._attempt(task, payload)
            finally:
                self._timer = asyncio.get_running_loop().call_later(self._idle_s, self._end_idle)

    async def _attempt(self, task: Task, payload: bytes) -> bytes:
        if self._child is None or not self._child.is_running:
            self._child = await Child.start(self._guard)
        child = self._child
        try:
            return await child.run(task, payload, LIMITS)
        except TaskFailedError:
            raise
        except BaseException:
            self._child = None
            child.kill()
            self._end_later(child)
            raise

    def _end_idle(self) -> None:
        child, self._child, self._timer = self._child, None, None
        if child is not None:
            self._end_later(child)

    def _end_later(self, child: Child) -> None:
        ending = asyncio.create_task(_end(child))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


async def _end(child: Child) -> None:
    with suppress(OSError):
        await child.end()
