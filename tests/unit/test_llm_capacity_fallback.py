"""Capacity without its store: what is an outage, and what is only this process being busy."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from nexent_gql.adapters.llm_capacity import FallbackCapacity, MemoryCapacity
from nexent_gql.adapters.loop_timeout import TURNS, loop_timeout
from nexent_gql.ports.llm_capacity import Claim, Decision
from nexent_gql.ports.llm_limits import ModelLimits

ANSWER_S = 0.02
CLAIM = Claim(deployment="d", call_id="c", owner="o", limits=ModelLimits(concurrent_requests=4), tokens=1)


class _SlowStore(MemoryCapacity):
    """A store whose answer takes some turns of the event loop."""

    def __init__(self, turns: float) -> None:
        super().__init__()
        self._turns = turns
        self.was_cancelled = False

    async def acquire(self, claim: Claim) -> Decision:
        turns = 0
        try:
            while turns < self._turns:
                turns += 1
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
        return await super().acquire(claim)


@asynccontextmanager
async def busy_loop() -> AsyncGenerator[None]:
    """Let each turn of the event loop take longer than an answer may."""

    async def hold() -> None:
        while True:
            time.sleep(2 * ANSWER_S)  # noqa: ASYNC251 - what a busy process does
            await asyncio.sleep(0)

    task = asyncio.create_task(hold())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_busy_process_does_not_take_its_store_for_silent() -> None:
    store = _SlowStore(turns=TURNS // 2)
    capacity = FallbackCapacity(store, answer_s=ANSWER_S)
    with capture_logs() as logs:
        async with busy_loop():
            assert (await capacity.acquire(CLAIM)).refusal is None
    assert logs == []
    assert (await store.read("d")).outstanding == 1


async def test_a_silent_store_is_left_also_by_a_busy_process() -> None:
    store = _SlowStore(turns=float("inf"))
    capacity = FallbackCapacity(store, answer_s=ANSWER_S)
    with capture_logs() as logs:
        async with busy_loop():
            assert (await capacity.acquire(CLAIM)).refusal is None
    assert [event["event"] for event in logs] == ["model.capacity_unavailable"]
    assert store.was_cancelled


async def test_a_silent_store_is_left_by_a_process_that_is_not_busy() -> None:
    with pytest.raises(TimeoutError):
        async with loop_timeout(ANSWER_S):
            await asyncio.Event().wait()
