"""Cancels work when its client disconnects."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar, cast

from starlette.requests import ClientDisconnect, Request

T = TypeVar("T")
_QUICK_S = 0.1  # queries that end earlier do not need a watch


async def while_connected(request: Request, work: Awaitable[T]) -> T:
    """Await `work`, and cancel it when the client disconnects.

    Raises:
        ClientDisconnect: The client has disconnected.
    """
    watch = _Watch(request)
    try:
        return await work
    except asyncio.CancelledError:
        if watch.has_cancelled():
            raise ClientDisconnect from None
        raise
    finally:
        watch.end()


class _Watch:
    """Cancels the current task when the client disconnects; begins after a delay, when most tasks are done."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._task = cast("asyncio.Task[object]", asyncio.current_task())
        self._cancellations = self._task.cancelling()
        self._watcher: asyncio.Task[None] | None = None
        self._is_gone = False
        self._timer = asyncio.get_running_loop().call_later(_QUICK_S, self._begin)

    def has_cancelled(self) -> bool:
        """Return whether the cancellation came from this watch alone."""
        return self._is_gone and self._task.uncancel() <= self._cancellations

    def end(self) -> None:
        self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()
            self._watcher = None  # a cancelled task refers to this object: without the cycle both are freed at once

    def _begin(self) -> None:
        self._watcher = asyncio.create_task(self._wait())

    async def _wait(self) -> None:
        while (await self._request.receive())["type"] != "http.disconnect":
            pass
        self._is_gone = True
        self._task.cancel()
