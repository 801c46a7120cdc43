"""Background tasks end with their block, and do not hide how they ended."""

import asyncio

import pytest

from nexent_gql.kernel.tasks import background, cancel


async def test_a_background_task_ends_with_its_block() -> None:
    events: list[str] = []

    async def work() -> None:
        try:
            events.append("started")
            await asyncio.Event().wait()
        finally:
            events.append("ended")

    async with background(work(), "work"):
        await asyncio.sleep(0)
        assert events == ["started"]
    assert events == ["started", "ended"]


async def test_an_error_of_the_task_is_raised_when_the_block_ends() -> None:
    async def work() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        async with background(work(), "work"):
            await asyncio.sleep(0)


async def test_cancelling_no_task_does_nothing() -> None:
    await cancel(None)
