"""Work that would block the event loop, on a thread of its own."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

R = TypeVar("R")


@dataclass(slots=True)
class _Flight(Generic[R]):
    future: asyncio.Future[R]
    waiting: int = 0


class SingleFlightThread(Generic[R]):
    """Runs `work` on one thread, one call at a time.

    Concurrent calls with equal text share one execution. A call that all waiters have cancelled is dropped from the
    queue.

    Args:
        name: Name of the thread.
        work: Called with the text.
    """

    def __init__(self, name: str, work: Callable[[str], R]) -> None:
        self._work = work
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._flights: dict[str, _Flight[R]] = {}

    async def __call__(self, text: str) -> R:
        """Return the result of `work` for `text`."""
        flight = self._flights.get(text)
        if flight is None:
            future = asyncio.get_running_loop().run_in_executor(self._thread, self._work, text)
            flight = self._flights[text] = _Flight(future)
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.future)
        finally:
            flight.waiting -= 1
            if not flight.waiting:
                del self._flights[text]
                flight.future.cancel()
