"""Background tasks that end with their owner."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager, suppress


async def cancel(task: asyncio.Task[None] | None) -> None:
    """Cancel a task and wait until it has ended; an error with which it ended is raised."""
    if task is not None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def background(work: Coroutine[object, object, None], name: str) -> AsyncGenerator[None]:
    """Run `work` in a task of that name until the block ends."""
    task = asyncio.create_task(work, name=name)
    try:
        yield
    finally:
        await cancel(task)
