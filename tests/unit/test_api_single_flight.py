"""Work beside the loop: once for all who ask at once, and not for those who are gone."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from nexent_gql.api.pipeline.single_flight import SingleFlightThread


class Work:
    """Notes what it is asked for, and waits until it may end."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.may_end = threading.Event()

    def __call__(self, text: str) -> str:
        """Answer in capitals."""
        self.may_end.wait(30)
        self.done.append(text)
        if text == "bad":
            raise ValueError(text)
        return text.upper()


@pytest.fixture
def work() -> Iterator[Work]:
    work = Work()
    yield work
    work.may_end.set()


async def start(aside: SingleFlightThread[str], *texts: str) -> list[asyncio.Task[str]]:
    """Ask for each, and let all begin."""
    tasks = [asyncio.create_task(aside(text)) for text in texts]
    await asyncio.sleep(0)
    return tasks


async def test_what_many_ask_for_at_once_is_done_once(work: Work) -> None:
    tasks = await start(aside := SingleFlightThread("test", work), "a", "a", "b", "a")
    work.may_end.set()
    assert await asyncio.gather(*tasks) == ["A", "A", "B", "A"]
    assert work.done == ["a", "b"]
    assert await aside("a") == "A"
    assert work.done == ["a", "b", "a"]


async def test_one_who_leaves_takes_nothing_from_the_others(work: Work) -> None:
    first, second = await start(SingleFlightThread("test", work), "a", "a")
    first.cancel()
    await asyncio.wait([first])
    work.may_end.set()
    assert await second == "A"
    assert first.cancelled()


async def test_what_nobody_waits_for_is_not_done(work: Work) -> None:
    aside = SingleFlightThread("test", work)
    waiting, cancelled = await start(aside, "a", "b")
    cancelled.cancel()
    await asyncio.wait([cancelled])
    work.may_end.set()
    assert [await waiting, await aside("c")] == ["A", "C"]
    assert work.done == ["a", "c"]


async def test_a_failure_is_told_to_all_and_not_kept(work: Work) -> None:
    tasks = await start(aside := SingleFlightThread("test", work), "bad", "bad")
    work.may_end.set()
    errors = await asyncio.gather(*tasks, return_exceptions=True)
    assert [str(each) for each in errors] == ["bad", "bad"]
    with pytest.raises(ValueError, match="bad"):
        await aside("bad")
    assert work.done == ["bad", "bad"]
