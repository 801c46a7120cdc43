"""Work that would hold the loop, in a thread beside it."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

R = TypeVar("R")


@dataclass(slots=True)
class _Underway(Generic[R]):
    future: asyncio.Future[R]
    waiting: int = 0


class SingleFlightThread(Generic[R]):
    """Does one thing after the other, each once for all who ask for it meanwhile, and none that nobody waits for.

    Args:
        name: What the thread is called.
        work: What to do with a text.
    """

    def __init__(self, name: str, work: Callable[[str], R]) -> None:
        self._work = work
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._underway: dict[str, _Underway[R]] = {}

    async def __call__(self, text: str) -> R:
        """Return what `work` makes of `text`."""
        mine = self._underway.get(text)
        if mine is None:
            future = asyncio.get_running_loop().run_in_executor(self._thread, self._work, text)
            mine = self._underway[text] = _Underway(future)
        mine.waiting += 1
        try:
            return await asyncio.shield(mine.future)
        finally:
            mine.waiting -= 1
            if not mine.waiting:
                del self._underway[text]
                mine.future.cancel()
