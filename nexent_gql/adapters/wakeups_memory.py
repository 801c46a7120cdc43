"""Wake-ups within one process, for tests."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from uuid import UUID

from nexent_gql.ports.wakeups import Receiver

MAX_CANCELLATIONS = 10_000
_POLL_S = 0.02


class MemoryWakeups:
    """Implements the `Wakeups` port."""

    def __init__(self) -> None:
        self._queues: dict[str, asyncio.Event] = {}
        self._listeners: dict[asyncio.Queue[UUID], None] = {}

    async def wake(self, queue: str) -> None:
        self._queue(queue).set()

    async def serve(self, queue: str, receiver: Receiver) -> None:
        event = self._queue(queue)
        while True:
            if event.is_set() and receiver.has_free_slot:
                event.clear()
                receiver.wake()
            if event.is_set():  # until there is a free slot
                await asyncio.sleep(_POLL_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(_POLL_S):
                    await event.wait()

    async def cancel(self, job_id: UUID) -> None:
        for listener in self._listeners:
            if not listener.full():
                listener.put_nowait(job_id)

    async def cancellations(self) -> AsyncGenerator[UUID]:
        listener: asyncio.Queue[UUID] = asyncio.Queue(MAX_CANCELLATIONS)
        self._listeners[listener] = None
        try:
            while True:
                yield await listener.get()
        finally:
            del self._listeners[listener]

    def _queue(self, name: str) -> asyncio.Event:
        return self._queues.setdefault(name, asyncio.Event())
