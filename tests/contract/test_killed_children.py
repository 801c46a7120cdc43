"""Pools at saturation whose children are killed at random: every task has an end that is true, and no slot is lost."""

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

import psutil
import pytest

from nexent_gql.adapters.process_pool import ChildProcessPool
from nexent_gql.adapters.sandbox_monty import MontySandbox
from nexent_gql.kernel.fairness import Owner
from nexent_gql.kernel.ids import new_id
from nexent_gql.ports.processes import ProcessCrashedError, ProcessesUnavailableError, Task
from nexent_gql.ports.sandbox import SandboxUnavailableError

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TENANTS = [new_id() for _ in range(4)]
TASKS = 80
SLEEP = Task("tests.support.process_tasks", "sleep")
ECHO = Task("tests.support.process_tasks", "echo")


@asynccontextmanager
async def random_kills(seed: int, spare: set[int]) -> AsyncGenerator[None]:
    """Kill a child of this process now and then, whichever it is: a guard of orphans too.

    Args:
        seed: Makes the choices repeatable.
        spare: Children that other tests of this session use: engines, an installation.
    """
    killer = asyncio.create_task(_kill_at_random(seed, spare))
    try:
        yield
    finally:
        killer.cancel()
        await asyncio.wait([killer])


async def _kill_at_random(seed: int, spare: set[int]) -> None:
    choice = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    while True:
        await asyncio.sleep(choice.uniform(0.02, 0.15))
        targets = await asyncio.to_thread(child_pids) - spare
        if targets:
            with suppress(ProcessLookupError):
                os.kill(choice.choice(sorted(targets)), signal.SIGKILL)


def child_pids() -> set[int]:
    return {child.pid for child in psutil.Process().children()}


def owner(number: int) -> Owner:
    return Owner(TENANTS[number % len(TENANTS)], TENANTS[number % 3])


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_pool_of_processes(seed: int) -> None:
    ends: Counter[str] = Counter()
    spare = child_pids()

    async def work(number: int) -> None:
        try:
            await pool.run(SLEEP, b"0.05", owner=owner(number))
            ends["done"] += 1
        except (ProcessCrashedError, ProcessesUnavailableError) as error:
            ends[error.code] += 1

    async with ChildProcessPool(size=2) as pool:
        async with random_kills(seed, spare):
            await asyncio.gather(*(work(number) for number in range(TASKS)))
        assert ends.total() == TASKS
        assert ends["done"]
        assert ends["PROCESS_CRASHED"]
        after = await asyncio.gather(*(pool.run(ECHO, b"%d" % n, owner=owner(n)) for n in range(8)))
        assert after == [b"%d" % n for n in range(8)]


@pytest.mark.parametrize("seed", [1, 2])
async def test_the_sandbox(seed: int) -> None:
    ends: Counter[str] = Counter()
    spare = child_pids()

    async def work(number: int) -> None:
        try:
            async with sandbox.session(owner=owner(number), now=NOON, seed="s") as session:
                result = await session.execute("sum(range(300_000))", {})
                ends["done" if result.value == "44999850000" else str(result.error)] += 1
        except SandboxUnavailableError as error:
            ends[error.code] += 1

    async with MontySandbox(max_busy=2, max_sessions=8) as sandbox:
        async with random_kills(seed, spare):
            await asyncio.gather(*(work(number) for number in range(TASKS)))
        assert ends.total() == TASKS
        assert ends["done"]
        assert set(ends) <= {"done", "The code's process died.", "SANDBOX_UNAVAILABLE"}
        async with asyncio.timeout(20), sandbox.session(owner=owner(0), now=NOON, seed="s") as session:
            assert (await session.execute("1 + 1", {})).value == "2"
