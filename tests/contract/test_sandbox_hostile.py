"""Code that means harm: it ends within its limit, gets nothing, and nobody else notices."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from nexent_gql.adapters.sandbox_monty import MontySandbox
from nexent_gql.kernel.fairness import SYSTEM
from nexent_gql.kernel.json import Json, JsonObject
from nexent_gql.ports.sandbox import CodeLimits, CodeResult, CodeSandbox, CodeSession, SandboxUnavailableError
from tests.support.hostile_snippets import HOSTILE, Hostile
from tests.support.monty_workers import environment, is_alive, kill_workers, workers
from tests.support.stopwatch import Stopwatch

pytestmark = pytest.mark.slow

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
WALL_S = 0.5
GAP_S = 0.2
LIMITS = ("longer than 0.5 s", "more than 128 MB", "process died", "more than 100 times")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncGenerator[CodeSandbox]:
    async with MontySandbox(limits=CodeLimits(wall_s=WALL_S)) as sandbox:
        yield sandbox


@pytest.fixture
async def sandbox() -> AsyncGenerator[MontySandbox]:
    async with MontySandbox(limits=CodeLimits(wall_s=WALL_S)) as sandbox:
        yield sandbox


async def echo(positional: tuple[Json, ...], named: JsonObject) -> Json:
    return [*positional, named]


async def widest_gap(until: asyncio.Event) -> float:
    """Return the longest time for which something else held the loop; time of this thread, for others may be busy."""
    widest, last = 0.0, time.thread_time()
    while not until.is_set():
        await asyncio.sleep(0.005)
        widest, last = max(widest, time.thread_time() - last), time.thread_time()
    return widest


async def neighbour(session: CodeSession, until: asyncio.Event) -> None:
    """Compute next door, once more after the end."""
    is_last = False
    while not is_last:
        is_last = until.is_set()
        assert (await session.execute("sum(range(1000))", {})).value == "499500"
        await asyncio.sleep(0.01)


async def attack(sandbox: CodeSandbox, code: str) -> tuple[CodeResult, float, float, CodeResult | None]:
    """Run code beside a neighbour; return its end, its time, the loop's widest gap, and how the session goes on."""
    async with (
        sandbox.session(owner=SYSTEM, now=NOON, seed="n") as beside,
        sandbox.session(owner=SYSTEM, now=NOON, seed="h") as session,
    ):
        over = asyncio.Event()
        gaps, works = asyncio.create_task(widest_gap(over)), asyncio.create_task(neighbour(beside, over))
        watch = Stopwatch()
        result = await session.execute(code, {"echo": echo})
        took_s = watch.elapsed_s()
        over.set()
        await works
        after = None if result.stopped else await session.execute("1 + 1", {})
        return result, took_s, await gaps, after


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda hostile: hostile.name)
async def test_hostile_code(shared: CodeSandbox, hostile: Hostile) -> None:
    result, took_s, gap_s, after = await attack(shared, hostile.code)
    assert took_s < WALL_S + 1
    assert gap_s < GAP_S
    ends = "stopped" if result.stopped else "refused" if result.error is not None else "harmless"
    assert ends == hostile.ends, result
    assert not result.stopped or any(limit in str(result.error) for limit in LIMITS)
    assert hostile.says in (result.error or result.printed)
    assert "free" not in result.printed
    assert len(result.printed) + len(result.value or "") + len(result.error or "") < 3 * CodeLimits().output_bytes
    assert after is None or after == CodeResult(printed="", value="2")


async def test_a_killed_worker_ends_its_session_only(sandbox: CodeSandbox) -> None:
    async def die(_positional: tuple[Json, ...], _named: JsonObject) -> Json:
        kill_workers()
        return None

    async with sandbox.session(owner=SYSTEM, now=NOON, seed="a") as session:
        assert await session.execute("die()", {"die": die}) == CodeResult(
            printed="", error="The code's process died.", stopped=True
        )
    async with sandbox.session(owner=SYSTEM, now=NOON, seed="a") as session:
        assert (await session.execute("1 + 1", {})).value == "2"


async def test_a_session_knows_that_its_worker_was_killed(sandbox: CodeSandbox) -> None:
    async with sandbox.session(owner=SYSTEM, now=NOON, seed="a") as session:
        await session.execute("x = 1", {})
        assert await session.is_alive()
        assert (await session.execute("x", {})).value == "1"
        kill_workers()
        assert not await session.is_alive()


async def test_a_worker_that_died_while_idle_is_not_noticed(sandbox: CodeSandbox) -> None:
    assert workers()
    kill_workers()
    async with sandbox.session(owner=SYSTEM, now=NOON, seed="a") as session:
        assert (await session.execute("1 + 1", {})).value == "2"


async def test_cancelling_kills_the_worker(sandbox: CodeSandbox) -> None:
    async with sandbox.session(owner=SYSTEM, now=NOON, seed="a") as session:
        before = workers()
        task = asyncio.create_task(session.execute("while True: pass", {}))
        await asyncio.sleep(0.2)
        watch = Stopwatch()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert watch.elapsed_s() < 0.05
        while before & workers():
            assert watch.elapsed_s() < 0.5
            await asyncio.sleep(0.005)


async def test_workers_inherit_no_environment(sandbox: CodeSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXENT_SECRET_KEY", "do not tell")
    async with sandbox.session(owner=SYSTEM, now=NOON, seed="a"):
        environments = {environment(pid) for pid in workers()}
    assert environments == {b""}


async def test_every_session_has_a_fresh_process(sandbox: MontySandbox) -> None:
    pids: set[int] = set()
    for _ in range(3):
        async with sandbox.session(owner=SYSTEM, now=NOON, seed="a") as session:
            pids.add(session.worker_pid)
    assert len(pids) == 3


@pytest.mark.parametrize("program", ["/nowhere/monty", "/bin/false", "/bin/cat"])
async def test_without_a_sandbox_no_code_runs(program: str) -> None:
    async with MontySandbox(binary_path=Path(program)) as sandbox:
        with pytest.raises(SandboxUnavailableError) as refused:
            async with sandbox.session(owner=SYSTEM, now=NOON, seed="a"):
                pass
    assert refused.value.code == "SANDBOX_UNAVAILABLE"
    assert refused.value.details["reason"]


async def test_a_busy_worker_dies_with_its_host() -> None:
    host = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.hold_sandbox", stdout=subprocess.PIPE
    )
    assert host.stdout is not None
    assert await host.stdout.readline() == b"running\n"
    await asyncio.sleep(0.2)
    orphans = workers(host.pid)
    assert orphans
    host.kill()
    await host.wait()
    watch = Stopwatch()
    while any(is_alive(pid) for pid in orphans):
        assert watch.elapsed_s() < 2
        await asyncio.sleep(0.01)


async def test_a_host_ends_in_peace() -> None:
    async def once() -> int:
        program = [sys.executable, "-m", "tests.support.hold_sandbox", "--end"]
        host = await asyncio.create_subprocess_exec(*program, stdout=subprocess.DEVNULL)
        return await host.wait()

    assert await asyncio.gather(once(), once(), once()) == [0, 0, 0]


async def test_leaving_a_session_ends_its_worker(sandbox: MontySandbox) -> None:
    async with sandbox.session(owner=SYSTEM, now=NOON, seed="a") as session:
        pid = session.worker_pid
        assert pid in workers()
    watch = Stopwatch()
    while pid in workers():
        assert watch.elapsed_s() < 2
        await asyncio.sleep(0.01)


async def test_a_reader_may_be_closed_late() -> None:
    """Sessions that are left by cancellation do not disturb the closing of the sandbox."""
    async with MontySandbox(limits=CodeLimits(wall_s=WALL_S)) as sandbox:

        async def hold() -> AsyncGenerator[None]:
            async with sandbox.session(owner=SYSTEM, now=NOON, seed="a") as session:
                await session.execute("while True: pass", {})
                yield

        async def read() -> None:
            async with aclosing(hold()) as reader:
                async for _ in reader:
                    pass

        tasks = [asyncio.create_task(read()) for _ in range(5)]
        await asyncio.sleep(0.3)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert workers() == set()
