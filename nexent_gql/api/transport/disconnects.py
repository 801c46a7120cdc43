"""Cancels work whose client has gone away."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar, cast

from starlette.requests import ClientDisconnect, Request

T = TypeVar("T")
_QUICK_S = 0.1  # a query that is done by then is not worth watching its client for


async def while_connected(request: Request, work: Awaitable[T]) -> T:
    """Await `work`, and cancel it when the client goes away.

    Raises:
        ClientDisconnect: The client is gone.
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
    """Cancels the task that makes it when the client goes away; most are done before it begins to look."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._task = cast("asyncio.Task[object]", asyncio.current_task())
        self._cancellations = self._task.cancelling()
        self._watcher: asyncio.Task[None] | None = None
        self._gone = False
        self._timer = asyncio.get_running_loop().call_later(_QUICK_S, self._begin)

    def has_cancelled(self) -> bool:
        """Tell whether a cancellation is this watch's own, and nobody else's too."""
        return self._gone and self._task.uncancel() <= self._cancellations

    def end(self) -> None:
        self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()

    def _begin(self) -> None:
        self._watcher = asyncio.create_task(self._wait())

    async def _wait(self) -> None:
        while (await self._request.receive())["type"] != "http.disconnect":
            pass
        self._gone = True
        self._task.cancel()
