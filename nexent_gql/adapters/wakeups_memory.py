"""Wake-ups within one process: for tests and for a server that is its own worker."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable
from uuid import UUID

MAX_NONCES = 10_000
MAX_CANCELLATIONS = 10_000


class MemoryWakeups:
    """Hands wake-ups to the queue's handler, at once or when there is one; see `Wakeups`."""

    def __init__(self) -> None:
        self._queues: dict[str, asyncio.Queue[UUID]] = {}
        self._nonces: OrderedDict[tuple[str, UUID, str], None] = OrderedDict()
        self._listeners: dict[asyncio.Queue[UUID], None] = {}

    async def wake(self, queue: str, job_id: UUID, nonce: str) -> None:
        """Queue a job, unless the same nonce was queued among the last 10,000; see `Wakeups.wake`."""
        name = (queue, job_id, nonce)
        if name in self._nonces:
            return
        self._nonces[name] = None
        if len(self._nonces) > MAX_NONCES:
            self._nonces.popitem(last=False)
        self._queue(queue).put_nowait(job_id)

    async def cancel(self, job_id: UUID) -> None:
        """Tell every listener; see `Wakeups.cancel`."""
        for listener in self._listeners:
            if not listener.full():
                listener.put_nowait(job_id)

    async def cancellations(self) -> AsyncGenerator[UUID]:
        """Yield what is cancelled from now on; see `Wakeups.cancellations`."""
        listener: asyncio.Queue[UUID] = asyncio.Queue(MAX_CANCELLATIONS)
        self._listeners[listener] = None
        try:
            while True:
                yield await listener.get()
        finally:
            del self._listeners[listener]

    async def serve(self, queue: str, run_job: Callable[[UUID], Awaitable[None]], *, max_jobs: int = 10) -> None:
        """Run the jobs of a queue, `max_jobs` at a time, until cancelled; then cancel them and wait for them."""
        slots = asyncio.Semaphore(max_jobs)

        async def run(job_id: UUID) -> None:
            try:
                await run_job(job_id)
            finally:
                slots.release()

        async with asyncio.TaskGroup() as running:
            while True:
                await slots.acquire()
                running.create_task(run(await self._queue(queue).get()))

    def _queue(self, name: str) -> asyncio.Queue[UUID]:
        return self._queues.setdefault(name, asyncio.Queue())
