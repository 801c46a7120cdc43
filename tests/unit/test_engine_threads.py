"""A thread that waits on the event loop."""

import asyncio
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar

import pytest

from nexent_gql.adapters.engine_smolagents.threads import RunControl, RunStopped, RunThreads
from tests.support.stopwatch import Stopwatch
from tests.support.waiting import eventually

LOOP_S = 0.05
field: ContextVar[str] = ContextVar("field", default="none")


async def answer(value: int) -> int:
    await asyncio.sleep(0)
    return value


async def fail() -> None:
    await asyncio.sleep(0)
    raise LookupError


async def run(work: Callable[[RunControl], None], threads: RunThreads | None = None) -> None:
    control = RunControl()
    await (threads or RunThreads(1, grace_s=0.1)).run(control, lambda: work(control), "test")


async def test_waits_for_the_loop_and_returns_its_results() -> None:
    results: list[int] = []
    await run(lambda control: results.extend(control.call(answer(number)) for number in range(3)))
    assert results == [0, 1, 2]


async def test_raises_in_the_thread_what_is_raised_on_the_loop_and_back() -> None:
    with pytest.raises(LookupError):
        await run(lambda control: control.call(fail()))


async def test_works_in_a_thread_of_its_own_with_the_callers_context() -> None:
    contexts: list[tuple[str, bool]] = []

    async def look() -> None:
        await asyncio.sleep(0)
        contexts.append((field.get(), threading.current_thread() is threading.main_thread()))

    def work(control: RunControl) -> None:
        contexts.append((field.get(), threading.current_thread() is threading.main_thread()))
        control.call(look())

    token = field.set("set")
    await run(work)
    field.reset(token)
    assert contexts == [("set", False), ("set", True)]


async def test_a_stop_passes_every_except_clause() -> None:
    passed: list[str] = []
    waiting = asyncio.Event()

    async def wait() -> None:
        waiting.set()
        try:
            await asyncio.sleep(60)
        finally:
            passed.append("cleaned up")

    def work(control: RunControl) -> None:
        for _ in range(3):
            try:
                control.call(wait())
            except Exception:  # noqa: BLE001 - what this is about
                passed.append("swallowed")
        passed.append("went on")

    task = asyncio.create_task(run(work))
    await waiting.wait()
    watch = Stopwatch()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert watch.elapsed_s() < LOOP_S
    assert passed == ["cleaned up"]


async def test_nothing_is_begun_after_a_stop() -> None:
    waiting, outcomes = asyncio.Event(), list[str]()

    async def wait() -> None:
        waiting.set()
        await asyncio.sleep(60)

    def work(control: RunControl) -> None:
        for _ in range(3):
            try:
                control.call(wait())
            except RunStopped:
                outcomes.append("stopped")

    task = asyncio.create_task(run(work))
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert outcomes == ["stopped"] * 3


async def test_work_that_cancels_itself_ends_the_run_as_cancelled() -> None:
    async def cancel() -> None:
        await asyncio.sleep(0)
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await run(lambda control: control.call(cancel()))


async def test_a_stuck_thread_is_counted_and_keeps_its_place() -> None:
    threads, release, has_begun = RunThreads(1, grace_s=0.05), threading.Event(), threading.Event()

    def hang(_control: RunControl) -> None:
        has_begun.set()
        release.wait(10)

    task = asyncio.create_task(run(hang, threads))
    await eventually(has_begun.is_set)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert threads.stuck == 1
    waiting = asyncio.create_task(run(lambda _control: None, threads))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    release.set()
    await waiting
    assert threads.stuck == 0


async def test_a_place_is_free_again_after_failures() -> None:
    threads = RunThreads(1, grace_s=0.1)
    for _ in range(3):
        with pytest.raises(LookupError):
            await run(lambda control: control.call(fail()), threads)
    await run(lambda _control: None, threads)


def test_a_thread_ends_when_its_loop_is_gone() -> None:
    outcomes: list[str] = []
    ready, has_left = threading.Event(), threading.Event()

    def work(control: RunControl) -> None:
        ready.set()
        has_left.wait(10)
        try:
            control.call(answer(1))
        except RunStopped:
            outcomes.append("stopped")

    async def begin() -> None:
        task = asyncio.create_task(run(work, RunThreads(1, grace_s=0)))
        await eventually(ready.is_set)
        task.cancel()

    asyncio.run(begin())
    has_left.set()
    until = time.monotonic() + 3
    while threading.active_count() > 1 and time.monotonic() < until:
        time.sleep(0.01)
    assert outcomes == ["stopped"]
