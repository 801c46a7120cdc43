"""Detects a blocked event loop: a blocking call, or too much work at once."""

import asyncio
import os
import time
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager
from itertools import count
from operator import sub
from typing import Self

import structlog

from nexent_gql.kernel.tasks import background

LIMIT_MS = 200
_TICK_S = 0.05
_TICKS_PER_LOOK = 20  # of the cores; the cost grows with their number
_OWN, _CORES = "/proc/thread-self/schedstat", "/proc/stat"
_MS_PER_TICK = 1_000 / os.sysconf("SC_CLK_TCK")  # of /proc/stat
_STOLEN = 8  # the column of /proc/stat
_log = structlog.get_logger()


@asynccontextmanager
async def watched_loop(limit_ms: float = LIMIT_MS) -> AsyncGenerator[None]:
    """Log `loop.blocked` with `ms` whenever this loop is blocked for longer than `limit_ms`.

    Time in which the thread was ready to run and had no core (`starved_ms`) is not counted: then the machine or its
    host is busy, not the loop. Only Linux reports it; elsewhere it counts as blocked. A pause of the whole process
    (SIGSTOP, a migrated virtual machine) is logged as one long block.
    """
    async with background(_watch(limit_ms), "watch the loop"):
        yield


async def _watch(limit_ms: float) -> None:
    with ExitStack() as stack:
        own, cores = (stack.enter_context(_File(path)) for path in (_OWN, _CORES))
        seen_at, waited_ms, stolen = time.monotonic(), _waited_ms(own), _stolen_ms(cores)
        for tick in count(1):
            await asyncio.sleep(_TICK_S)
            now, waited_now = time.monotonic(), _waited_ms(own)
            starved_ms = waited_now - waited_ms
            blocked_ms = (now - seen_at - _TICK_S) * 1_000 - starved_ms
            if blocked_ms > limit_ms or tick % _TICKS_PER_LOOK == 0:
                stolen_now = _stolen_ms(cores)
                stolen_ms = max(map(sub, stolen_now, stolen), default=0)
                if blocked_ms - stolen_ms > limit_ms:
                    rounded = round(blocked_ms - stolen_ms)
                    _log.warning("loop.blocked", ms=rounded, starved_ms=round(starved_ms + stolen_ms))
                stolen = stolen_now
            seen_at, waited_ms = now, waited_now


class _File:
    """A file of the kernel's counters that is read repeatedly; empty where it does not exist."""

    def __init__(self, path: str) -> None:
        try:
            self._descriptor = os.open(path, os.O_RDONLY)
        except OSError:
            self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)

    def read(self) -> bytes:
        """Return the current content."""
        return b"" if self._descriptor is None else os.pread(self._descriptor, 65_536, 0)


def _waited_ms(own: _File) -> float:
    """Return for how long in total this thread has waited for a core."""
    counted = own.read().split()
    return int(counted[1]) / 1_000_000 if counted else 0.0


def _stolen_ms(cores: _File) -> list[float]:
    """Return for how long in total the host has withheld each core from this machine."""
    lines = cores.read().splitlines()
    return [int(line.split()[_STOLEN]) * _MS_PER_TICK for line in lines if line.startswith(b"cpu")][1:]
