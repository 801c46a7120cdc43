"""Times of what waits: what counts is a needless wait, and not that the machine or the collector was busy."""

import gc
import os
import threading
import time
from pathlib import Path
from typing import Literal

_PRESSURE = Path("/proc/pressure")
_PROCESSORS = os.cpu_count() or 1


class _Collections:
    """The time that collections of garbage have taken in this process, which may hold that of a thousand tests."""

    def __init__(self) -> None:
        self.total_s = 0.0
        self._began = 0.0
        gc.callbacks.append(self._note)

    def _note(self, phase: Literal["start", "stop"], _info: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.monotonic()
        else:
            self.total_s += time.monotonic() - self._began


_collections = _Collections()


def _stalled_s(resource: str) -> float:
    """Return for how long tasks of this machine have waited for a resource since it started (Linux; else 0)."""
    try:
        some = (_PRESSURE / resource).read_text().split("\n", 1)[0]
    except OSError:
        return 0.0
    return int(some.rpartition("total=")[2]) / 1e6


def _queued_s() -> float:
    """Return for how long this thread has waited for a processor since it started (Linux; else 0)."""
    try:
        statistics = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat").read_text()
    except OSError:
        return 0.0
    return int(statistics.split()[1]) / 1e9


def _starved_s() -> tuple[float, float, float, float]:
    return _queued_s(), _stalled_s("cpu") * _PROCESSORS, _stalled_s("io"), _collections.total_s


class Stopwatch:
    """Measure a time on this machine from now on."""

    def __init__(self) -> None:
        self._starved = _starved_s()
        self._processor_s = time.thread_time()
        self._began = time.monotonic()

    def starved_s(self) -> float:
        """Return how much of the time was lost to a busy machine, at most, and to collections of garbage.

        The kernel's figure of the machine is a mean over processors, so a single one may have been short for longer.
        """
        queued_s, busy_s, io_s, collecting_s = (
            after - before for before, after in zip(self._starved, _starved_s(), strict=True)
        )
        return max(queued_s, busy_s) + io_s + collecting_s

    def elapsed_s(self) -> float:
        """Return the time since the start without what was lost to other work; near 0 on a machine without pause."""
        return max(0.0, time.monotonic() - self._began - self.starved_s())

    def processor_s(self) -> float:
        """Return the processor time of this thread since the start, without collections of garbage."""
        return max(0.0, time.thread_time() - self._processor_s - (_collections.total_s - self._starved[3]))
