"""Code that computes without end keeps nobody else's code waiting."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from nexent_gql.adapters.sandbox_monty import MontySandbox
from nexent_gql.kernel.fairness import Owner
from nexent_gql.kernel.ids import new_id
from nexent_gql.ports.sandbox import CodeSandbox
from tests.support.monty_workers import workers
from tests.support.waiting import eventually

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIMIT_S = 2.0
"""How long a short snippet may take beside busy ones; each of those computes for 30 s."""


@pytest.fixture
async def sandbox() -> AsyncGenerator[CodeSandbox]:
    async with MontySandbox(max_busy=2) as sandbox:
        yield sandbox


@asynccontextmanager
async def busy_loops(sandbox: CodeSandbox, owners: Sequence[Owner]) -> AsyncGenerator[None]:
    """Let each owner compute without end, in a session of its own."""

    async def loop(owner: Owner) -> None:
        async with sandbox.session(owner=owner, now=NOON, seed="busy") as session:
            await session.execute("while True: pass", {})

    tasks = [asyncio.create_task(loop(owner)) for owner in owners]
    await eventually(lambda: len(workers()) >= len(owners), within_s=10)
    await asyncio.sleep(1)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def print_s(sandbox: CodeSandbox, owner: Owner) -> float:
    """Return how long a session with one short snippet takes."""
    began = time.monotonic()
    async with sandbox.session(owner=owner, now=NOON, seed="calm") as session:
        result = await session.execute("print(1)", {})
        assert result.printed == "1\n"
    return time.monotonic() - began


async def test_busy_loops_of_one_tenant_do_not_stop_another(sandbox: CodeSandbox) -> None:
    hostile = new_id()
    async with busy_loops(sandbox, [Owner(hostile, new_id())] * 8):
        took_s = [await print_s(sandbox, Owner(new_id(), new_id())) for _ in range(5)]
    assert max(took_s) < LIMIT_S


async def test_busy_loops_of_a_colleague_do_not_stop_a_user(sandbox: CodeSandbox) -> None:
    tenant = new_id()
    async with busy_loops(sandbox, [Owner(tenant, new_id())] * 8):
        took_s = [await print_s(sandbox, Owner(tenant, new_id())) for _ in range(5)]
    assert max(took_s) < LIMIT_S


async def test_busy_loops_of_many_tenants_do_not_stop_another(sandbox: CodeSandbox) -> None:
    async with busy_loops(sandbox, [Owner(new_id(), new_id()) for _ in range(8)]):
        took_s = [await print_s(sandbox, Owner(new_id(), new_id())) for _ in range(5)]
    assert max(took_s) < LIMIT_S


async def test_more_users_than_slots_are_all_served(sandbox: CodeSandbox) -> None:
    owners = [Owner(new_id(), new_id()) for _ in range(60)]
    took_s = await asyncio.gather(*(print_s(sandbox, owner) for owner in owners))
    assert len(took_s) == 60
    await eventually(lambda: len(workers()) <= 1)
