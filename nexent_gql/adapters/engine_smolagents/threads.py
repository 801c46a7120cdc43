"""Threads of runs, which execute coroutines on the event loop and can be stopped from there."""

import asyncio
import contextvars
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from typing import TypeVar

import structlog

T = TypeVar("T")
_log = structlog.get_logger()


class RunStopped(BaseException):
    """Raised in the thread of a stopped run; `except Exception` does not catch it."""


class RunControl:
    """Lets one thread run coroutines on the event loop, until it is stopped; create it on the loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[object]] = set()
        self._stopped = False

    def call(self, work: Coroutine[object, object, T]) -> T:
        """Run `work` on the loop and wait for it; in the thread only.

        Raises:
            RunStopped: The run was stopped before or during the work.
        """
        outcome: Future[T] = Future()
        try:
            self._loop.call_soon_threadsafe(self._start, work, outcome)
        except RuntimeError:  # the loop is closed
            work.close()
            raise RunStopped from None
        return outcome.result()

    def stop(self) -> None:
        """Cancel the thread's current and later work; on the loop only."""
        self._stopped = True
        for task in self._tasks:
            task.cancel()

    def _start(self, work: Coroutine[object, object, T], outcome: Future[T]) -> None:
        if self._stopped:
            work.close()
            outcome.set_exception(RunStopped())
            return
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(lambda _: self._finish(task, outcome))

    def _finish(self, task: asyncio.Task[T], outcome: Future[T]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            outcome.set_exception(RunStopped())
        elif (error := task.exception()) is not None:
            outcome.set_exception(error)
        else:
            outcome.set_result(task.result())


class RunThreads:
    """At most `size` threads at once; they are daemons, so the process can exit.

    Attributes:
        stuck: Threads that still run although their runs were stopped more than `grace_s` ago. Each keeps its slot.
    """

    def __init__(self, size: int, grace_s: float) -> None:
        self.stuck = 0
        self._slots = asyncio.Semaphore(size)
        self._grace_s = grace_s

    async def run(self, control: RunControl, work: Callable[[], None], name: str) -> None:
        """Run `work` in a new thread; cancelling stops `control`, and waits at most `grace_s` for the thread.

        Raises:
            BaseException: What `work` raised; CancelledError for a run that stopped itself.
        """
        await self._slots.acquire()
        ended = self._begin(work, name)
        try:
            outcome = await asyncio.shield(ended)
        except asyncio.CancelledError:
            control.stop()
            await self._end(ended, name)
            raise
        if isinstance(outcome, RunStopped):
            raise asyncio.CancelledError from outcome
        if outcome is not None:
            raise outcome

    def _begin(self, work: Callable[[], None], name: str) -> "asyncio.Future[BaseException | None]":
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[BaseException | None] = loop.create_future()

        def settle(outcome: BaseException | None) -> None:
            self._slots.release()
            if not ended.done():
                ended.set_result(outcome)

        def main() -> None:
            outcome = _outcome_of(work)
            try:
                loop.call_soon_threadsafe(settle, outcome)
            except RuntimeError:  # the loop is closed, so no task waits
                _log.warning("agent.thread_outlived_loop", thread=name)

        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(main,), name=name, daemon=True).start()
        return ended

    async def _end(self, ended: "Awaitable[BaseException | None]", name: str) -> None:
        task = asyncio.ensure_future(ended)
        await asyncio.wait([task], timeout=self._grace_s)
        if not task.done():
            self.stuck += 1
            _log.error("agent.thread_stuck", thread=name, grace_s=self._grace_s, stuck=self.stuck)
            task.add_done_callback(lambda _: self._unstick())

    def _unstick(self) -> None:
        self.stuck -= 1


def _outcome_of(work: Callable[[], None]) -> BaseException | None:
    try:
        work()
    except BaseException as error:  # noqa: BLE001 - carried to the loop, and raised there
        return error
    return None
