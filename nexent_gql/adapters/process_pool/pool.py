"""Shares child processes among tenants."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Self
from uuid import UUID

import structlog

from nexent_gql.adapters.child_processes import OrphanGuard, SlotPool
from nexent_gql.adapters.process_pool.child import Child, TaskNotStartedError
from nexent_gql.kernel.fairness import FairSemaphore, Owner
from nexent_gql.ports.processes import ProcessesUnavailableError, ProcessLimits, Task, TaskEndedError, TaskFailedError

_DEFAULTS = ProcessLimits()
_START_TRIES = 3
_CLOSED = "The pool of processes is closed."
_log = structlog.get_logger()


class ChildProcessPool(SlotPool):
    """Implements the `ProcessPool` port; an async context manager, which ends all children on leaving.

    Children are started on demand. An idle one waits for the next task of its tenant, or is ended in favour of
    another tenant.

    Args:
        size: Concurrent tasks, by default one per processor; also the limit of idle children.
        reserve: Further tasks for tenants and users without a running task.
        tasks_per_child: Tasks after which a child is replaced, which bounds memory leaks of libraries.

    Attributes:
        killed: How many children were killed or died during a task or while idle.
    """

    def __init__(self, *, size: int | None = None, reserve: int = 2, tasks_per_child: int = 100) -> None:
        self._size = size or os.cpu_count() or 1
        super().__init__(FairSemaphore(self._size, reserve=reserve))
        self._tasks_per_child = tasks_per_child
        self._idle: list[Child] = []
        self._busy: set[Child] = set()
        self._starting: set[asyncio.Task[Child]] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._guard = OrphanGuard()
        self._is_closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._is_closed = True
        await asyncio.gather(*self._starting, return_exceptions=True)
        children, self._idle = [*self._idle, *self._busy], []
        await asyncio.gather(*(child.end() for child in children), *self._ending)
        await self._guard.aclose()

    async def run(self, task: Task, payload: bytes, *, owner: Owner, limits: ProcessLimits | None = None) -> bytes:
        async with self._slots.slot(owner):
            for _ in range(_START_TRIES):
                with suppress(TaskNotStartedError):
                    async with self._child(owner.tenant_id) as child:
                        return await _run(child, task, payload, limits or _DEFAULTS)
        raise ProcessesUnavailableError("The child processes end before they start a task.")

    async def confinement(self) -> dict[str, bool]:
        """Return the restrictions in force in a child; starts one if needed."""
        async with self._child(None) as child:
            return child.confinement

    @asynccontextmanager
    async def _child(self, tenant_id: UUID | None) -> AsyncGenerator[Child]:
        if self._is_closed:
            raise ProcessesUnavailableError(_CLOSED)
        child = self._take(tenant_id)
        if child is None:
            starting = asyncio.create_task(self._start())
            self._starting.add(starting)
            starting.add_done_callback(self._starting.discard)
            child = await starting
        child.tenant_id = tenant_id
        self._busy.add(child)
        try:
            yield child
        except TaskFailedError:
            self._give_back(child)
            raise
        except BaseException:
            self.killed += 1
            self._end(child)
            raise
        else:
            self._give_back(child)
        finally:
            self._busy.discard(child)

    async def _start(self) -> Child:
        child = await Child.start(self._guard)
        if self._is_closed:
            await child.end()
            raise ProcessesUnavailableError(_CLOSED)
        return child

    def _take(self, tenant_id: UUID | None) -> Child | None:
        """Return an idle child that has seen no other tenant's data."""
        for child in list(self._idle):
            if not child.is_running:
                self._idle.remove(child)
                self.killed += 1
                self._end(child)
            elif child.tenant_id == tenant_id or child.tasks == 0:
                self._idle.remove(child)
                return child
        return None

    def _give_back(self, child: Child) -> None:
        if self._is_closed or child.tasks >= self._tasks_per_child or not child.is_running:
            self._end(child)
            return
        self._idle.append(child)
        if len(self._idle) > self._size:
            self._end(self._idle.pop(0))

    def _end(self, child: Child) -> None:
        """Kill a child, and reap it in the background."""
        child.kill()
        task = asyncio.create_task(child.end())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


async def _run(child: Child, task: Task, payload: bytes, limits: ProcessLimits) -> bytes:
    try:
        return await child.run(task, payload, limits)
    except TaskEndedError as error:
        _log.warning("process_pool.child_ended", task=task.function, code=error.code, **error.details)
        raise
