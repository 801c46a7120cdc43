"""What every pool of processes promises."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator

import psutil
import pytest
from structlog.testing import capture_logs

from nexent_gql.adapters.process_pool import ChildProcessPool
from nexent_gql.kernel.fairness import SYSTEM, Owner
from nexent_gql.kernel.ids import new_id
from nexent_gql.ports.processes import (
    Limit,
    LimitExceededError,
    ProcessCrashedError,
    ProcessesUnavailableError,
    ProcessLimits,
    ProcessPool,
    Task,
    TaskFailedError,
)
from tests.support.monty_workers import is_alive
from tests.support.stopwatch import Stopwatch
from tests.support.waiting import eventually

MB = 1024 * 1024


@pytest.fixture
async def pool() -> AsyncGenerator[ProcessPool]:
    async with ChildProcessPool(size=2, tasks_per_child=3) as pool:
        yield pool


async def run(
    pool: ProcessPool, name: str, payload: bytes = b"", owner: Owner = SYSTEM, limits: ProcessLimits | None = None
) -> bytes:
    return await pool.run(Task("tests.support.process_tasks", name), payload, owner=owner, limits=limits)


async def pid_of(pool: ProcessPool, owner: Owner = SYSTEM) -> int:
    return int(await run(pool, "pid", owner=owner))


@pytest.mark.parametrize("size", [0, 1, 5 * MB])
async def test_returns_the_result(pool: ProcessPool, size: int) -> None:
    payload = os.urandom(size)
    assert await run(pool, "echo", payload) == payload


async def test_an_exception_of_the_task_is_typed(pool: ProcessPool) -> None:
    with pytest.raises(TaskFailedError, match="no such page") as failed:
        await run(pool, "fail", b"no such page")
    assert failed.value.kind == "ValueError"
    pid = await pid_of(pool)
    with pytest.raises(TaskFailedError):
        await pool.run(Task("tests.support.process_tasks", "nothing"), b"", owner=SYSTEM)
    await eventually(lambda: not is_alive(pid))


LIMITS = {
    Limit.CPU_TIME: ("spin", b"", ProcessLimits(cpu_s=1, wall_s=30)),
    Limit.WALL_TIME: ("sleep", b"60", ProcessLimits(wall_s=0.5)),
    Limit.MEMORY: ("grow", b"2000000000", ProcessLimits(memory_bytes=500 * MB)),
    Limit.OUTPUT: ("say", b"100001", ProcessLimits(output_bytes=100_000)),
}


@pytest.mark.parametrize("limit", LIMITS)
async def test_a_broken_limit_is_named_and_the_next_task_runs(pool: ProcessPool, limit: Limit) -> None:
    task, payload, limits = LIMITS[limit]
    with pytest.raises(LimitExceededError) as broken, capture_logs() as logs:
        await run(pool, task, payload, limits=limits)
    assert broken.value.limit is limit
    assert [log["event"] for log in logs] == ["process_pool.child_ended"]
    assert await run(pool, "echo", b"next") == b"next"


async def test_limits_are_those_of_each_task(pool: ProcessPool) -> None:
    small, large = ProcessLimits(memory_bytes=300 * MB), ProcessLimits(memory_bytes=900 * MB)
    assert await run(pool, "grow", b"1000", limits=small) == b"1000"
    assert await run(pool, "grow", b"500000000", limits=large) == b"500000000"
    assert await run(pool, "say", b"100000", limits=ProcessLimits(output_bytes=100_000)) == bytes(100_000)


async def test_a_crash_is_typed_and_the_next_task_runs(pool: ProcessPool) -> None:
    with pytest.raises(ProcessCrashedError):
        await run(pool, "crash")
    with pytest.raises(TaskFailedError, match="3"):
        await run(pool, "leave")
    assert await run(pool, "echo", b"next") == b"next"


async def test_a_killed_process_is_a_crash(pool: ProcessPool) -> None:
    pid = await pid_of(pool)
    task = asyncio.create_task(run(pool, "sleep", b"60"))
    await asyncio.sleep(0.2)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(ProcessCrashedError):
        await task


async def test_a_process_that_died_while_idle_is_not_noticed(pool: ProcessPool) -> None:
    for _ in range(10):
        pid = await pid_of(pool)
        os.kill(pid, signal.SIGKILL)
        assert await pid_of(pool) != pid


async def test_a_closed_pool_starts_no_process() -> None:
    before = {child.pid for child in psutil.Process().children()}
    async with ChildProcessPool(size=1) as pool:
        running = asyncio.create_task(run(pool, "sleep", b"60"))
        waiting = [asyncio.create_task(run(pool, "echo", owner=Owner(new_id(), new_id()))) for _ in range(8)]
        await asyncio.sleep(0.3)
    results = await asyncio.gather(running, *waiting, return_exceptions=True)
    assert isinstance(results[0], ProcessCrashedError | ProcessesUnavailableError)
    assert {type(result) for result in results} <= {bytes, ProcessCrashedError, ProcessesUnavailableError}
    assert {child.pid for child in psutil.Process().children()} <= before


async def test_cancelling_kills_the_process(pool: ProcessPool) -> None:
    pid = await pid_of(pool)
    task = asyncio.create_task(run(pool, "spin"))
    await asyncio.sleep(0.2)
    watch = Stopwatch()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert watch.elapsed_s() < 0.5
    await eventually(lambda: not is_alive(pid))


async def test_a_process_serves_one_tenant_and_is_replaced_after_some_tasks(pool: ProcessPool) -> None:
    one, other = Owner(new_id(), new_id()), Owner(new_id(), new_id())
    first, of_other = await pid_of(pool, one), await pid_of(pool, other)
    assert first != of_other
    assert [await pid_of(pool, one) for _ in range(2)] == [first, first]
    assert await pid_of(pool, one) not in {first, of_other}
    await eventually(lambda: not is_alive(first))


async def test_idle_processes_are_bounded(pool: ProcessPool) -> None:
    pids = [await pid_of(pool, Owner(new_id(), None)) for _ in range(5)]
    await eventually(lambda: sum(is_alive(pid) for pid in pids) == 2)


async def test_a_process_has_no_environment_and_may_use_threads(
    pool: ProcessPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEXENT_SECRET_KEY", "do not tell")
    assert b"NEXENT" not in await run(pool, "environment")
    assert await run(pool, "think_in_threads") == b"3"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has seccomp")
async def test_what_is_in_force_can_be_seen() -> None:
    async with ChildProcessPool(size=1) as pool:
        assert await pool.confinement() == {"network_refused": True}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has seccomp")
@pytest.mark.parametrize("task", ["connect", "start_program", "fork", "kill_parent"])
async def test_the_network_programs_and_other_processes_are_refused(pool: ProcessPool, task: str) -> None:
    with pytest.raises(TaskFailedError) as refused:
        await run(pool, task)
    assert refused.value.kind == "PermissionError"


async def test_a_file_that_grows_is_refused(pool: ProcessPool, tmp_path: os.PathLike[str]) -> None:
    with pytest.raises((TaskFailedError, ProcessCrashedError)):
        await run(pool, "write_file", os.fsencode(os.path.join(tmp_path, "large")))  # noqa: PTH118 - bytes
    assert await run(pool, "echo", b"next") == b"next"


async def test_the_loop_is_never_blocked(pool: ProcessPool) -> None:
    over, widest = asyncio.Event(), 0.0

    async def watch() -> None:
        nonlocal widest
        last = time.thread_time()
        while not over.is_set():
            await asyncio.sleep(0.005)
            widest, last = max(widest, time.thread_time() - last), time.thread_time()

    watching = asyncio.create_task(watch())
    limits = ProcessLimits(cpu_s=1, wall_s=1)
    work = [run(pool, "spin", owner=Owner(new_id(), None), limits=limits) for _ in range(4)]
    work += [run(pool, "echo", bytes(8 * MB)) for _ in range(4)]
    await asyncio.gather(*work, return_exceptions=True)
    over.set()
    await watching
    assert widest < 0.1


async def test_a_busy_tenant_does_not_stop_another(pool: ProcessPool) -> None:
    hostile = Owner(new_id(), new_id())
    tasks = [asyncio.create_task(run(pool, "spin", owner=hostile)) for _ in range(8)]
    await asyncio.sleep(0.5)
    watch = Stopwatch()
    assert await run(pool, "echo", b"calm", owner=Owner(new_id(), new_id())) == b"calm"
    assert watch.elapsed_s() < 2
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_more_work_than_slots_is_all_done(pool: ProcessPool) -> None:
    owners = [Owner(new_id(), new_id()) for _ in range(6)]
    done = await asyncio.gather(*(run(pool, "echo", b"%d" % n, owner=owners[n % 6]) for n in range(60)))
    assert done == [b"%d" % n for n in range(60)]


async def test_closing_ends_every_process() -> None:
    async with ChildProcessPool(size=2) as pool:
        pids = [await pid_of(pool, Owner(new_id(), None)) for _ in range(2)]
        busy = asyncio.create_task(run(pool, "spin"))
        await asyncio.sleep(0.2)
    with pytest.raises((ProcessCrashedError, ProcessesUnavailableError)):
        await busy
    assert not any(is_alive(pid) for pid in pids)


async def test_a_busy_process_dies_with_its_host() -> None:
    program = [sys.executable, "-m", "tests.support.hold_processes"]
    host = await asyncio.create_subprocess_exec(*program, stdout=subprocess.PIPE)
    assert host.stdout is not None
    pid = int(await host.stdout.readline())
    assert is_alive(pid)
    host.kill()
    await host.wait()
    await eventually(lambda: not is_alive(pid))
