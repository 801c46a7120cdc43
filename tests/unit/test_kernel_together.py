"""Waiting for several things at once."""

import asyncio

import pytest

from nexent_gql.kernel.together import all_ended


async def test_an_error_is_told_when_all_have_ended() -> None:
    ended: list[int] = []

    async def work(number: int) -> None:
        await asyncio.sleep(number / 1_000)
        ended.append(number)
        if number < 3:
            raise ValueError(number)

    with pytest.raises(ValueError, match="1"):
        await all_ended(work(number) for number in (5, 1, 2))
    assert ended == [1, 2, 5]
    await all_ended([])


async def test_whoever_is_cancelled_takes_all_of_it_along() -> None:
    work = [asyncio.create_task(asyncio.Event().wait()) for _ in range(2)]
    waiting = asyncio.create_task(all_ended(work))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting, *work], timeout=30)
    assert [task.cancelled() for task in (waiting, *work)] == [True, True, True]
