"""Tells when the event loop of this process stood still: a call that should have been awaited, or too much at once."""

import asyncio
import os
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import structlog

LIMIT_MS = 200
_TICK_S = 0.05
_SCHEDSTAT = "/proc/thread-self/schedstat"
_log = structlog.get_logger()


@asynccontextmanager
async def watched_loop(limit_ms: float = LIMIT_MS) -> AsyncGenerator[None]:
    """Log `loop.blocked` with `ms` whenever this loop does not come round for longer than `limit_ms`.

    Time in which the thread was ready to run and had no core (`starved_ms`) is not counted: the machine is busy then,
    not the loop. Linux tells it for each thread; elsewhere it counts as blocked. A pause of the whole process
    (SIGSTOP, a moved virtual machine) is told as one long block, which it is for everybody who waits.
    """
    watch = asyncio.create_task(_watch(limit_ms), name="watch the loop")
    try:
        yield
    finally:
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch


async def _watch(limit_ms: float) -> None:
    descriptor = _open_schedstat()
    try:
        seen_at, starved_ms = time.monotonic(), _starved_ms(descriptor)
        while True:
            await asyncio.sleep(_TICK_S)
            now, starved_now_ms = time.monotonic(), _starved_ms(descriptor)
            late_ms = (now - seen_at - _TICK_S) * 1_000
            waited_ms = starved_now_ms - starved_ms
            if late_ms - waited_ms > limit_ms:
                _log.warning("loop.blocked", ms=round(late_ms - waited_ms), starved_ms=round(waited_ms))
            seen_at, starved_ms = now, starved_now_ms
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _open_schedstat() -> int | None:
    """Open what the kernel counts for this very thread."""
    try:
        return os.open(_SCHEDSTAT, os.O_RDONLY)
    except OSError:
        return None


def _starved_ms(descriptor: int | None) -> float:
    """Return how long this thread has waited for a core since it began."""
    if descriptor is None:
        return 0.0
    return int(os.pread(descriptor, 100, 0).split()[1]) / 1_000_000
