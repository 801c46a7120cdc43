"""What operators see of the pools of child processes."""

import asyncio
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry

from nexent_gql.adapters.process_pool import ChildProcessPool
from nexent_gql.adapters.sandbox_monty import MontySandbox
from nexent_gql.kernel.fairness import SYSTEM
from nexent_gql.ports.processes import Task
from nexent_gql.telemetry.pools import watch_pools
from tests.support.waiting import eventually

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ECHO, SLEEP = (Task("tests.support.process_tasks", name) for name in ("echo", "sleep"))


def figures(registry: CollectorRegistry, pool: str) -> tuple[float | None, ...]:
    """Return how many tasks run and wait, and how many processes were killed."""
    names = ("nexent_pool_busy_slots", "nexent_pool_waiting_tasks", "nexent_pool_killed_processes_total")
    return tuple(registry.get_sample_value(name, {"pool": pool}) for name in names)


async def test_tasks_of_processes_are_counted() -> None:
    registry = CollectorRegistry()
    async with ChildProcessPool(size=1, reserve=0) as pool:
        watch_pools(registry, {"processes": pool})
        assert await pool.run(ECHO, b"ready", owner=SYSTEM) == b"ready"
        assert figures(registry, "processes") == (0, 0, 0)
        tasks = [asyncio.create_task(pool.run(SLEEP, b"60", owner=SYSTEM)) for _ in range(2)]
        await eventually(lambda: figures(registry, "processes") == (1, 1, 0))
        for task, killed in ((tasks[1], 0), (tasks[0], 1)):  # the one that waits has no process yet
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert figures(registry, "processes")[1:] == (0, killed)
        assert figures(registry, "processes") == (0, 0, 1)


async def test_snippets_of_the_sandbox_are_counted() -> None:
    registry = CollectorRegistry()
    async with MontySandbox(max_sessions=2, max_busy=1) as sandbox:
        watch_pools(registry, {"sandbox": sandbox})
        async with sandbox.session(owner=SYSTEM, now=NOON, seed="seed") as session:
            await session.execute("1 + 1", {})
            assert figures(registry, "sandbox") == (0, 0, 0)
            endless = asyncio.create_task(session.execute("while True:\n    pass", {}))
            await eventually(lambda: figures(registry, "sandbox") == (1, 0, 0))
            endless.cancel()
            await asyncio.gather(endless, return_exceptions=True)
        assert figures(registry, "sandbox") == (0, 0, 1)
