"""Times of what waits: what counts is a needless wait, and not that the machine or the collector was busy."""

import gc
import os
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal
from weakref import WeakSet

_PRESSURE = Path("/proc/pressure")
_PROCESSORS = os.cpu_count() or 1
_TICK_S = 0.005
_JITTER_S = 0.005


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


class _Ticker:
    """Count the time in which this process got no processor although a thread of it was due.

    The kernel counts neither what the host of a virtual machine keeps nor the time for which a process is stopped.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watches = WeakSet["Stopwatch"]()
        self._is_running = False
        self._total_s = 0.0
        self._last = (0.0, 0.0)

    def start(self, watch: "Stopwatch") -> None:
        """Tick as long as the stopwatch exists."""
        with self._lock:
            self._watches.add(watch)
            if not self._is_running:
                self._is_running = True
                self._last = (time.monotonic(), time.process_time())
                threading.Thread(target=self._tick, name="stopwatch", daemon=True).start()

    def stalled_s(self) -> float:
        """Return the total, up to this moment."""
        with self._lock:
            self._note()
            return self._total_s

    def _note(self) -> None:
        pause_s = self._pending_s()
        self._total_s += pause_s
        for watch in self._watches:
            watch.longest_pause_s = max(watch.longest_pause_s, pause_s)
        self._last = (time.monotonic(), time.process_time())

    def _pending_s(self) -> float:
        """Return the time since the last tick in which the process neither computed nor had to wait for the tick."""
        idle_s = time.monotonic() - self._last[0] - (time.process_time() - self._last[1]) - _TICK_S
        return idle_s if self._is_running and idle_s > _JITTER_S else 0.0

    def _tick(self) -> None:
        while True:
            time.sleep(_TICK_S)
            with self._lock:
                self._note()
                if not self._watches:
                    self._is_running = False
                    return


_ticker = _Ticker()


def _starved_s() -> tuple[float, float, float, float, float]:
    return _queued_s(), _stalled_s("cpu") * _PROCESSORS, _ticker.stalled_s(), _stalled_s("io"), _collections.total_s


class Stopwatch:
    """Measure a time on this machine from now on."""

    def __init__(self) -> None:
        self.longest_pause_s = 0.0
        """The longest time for which this process was held up at a stretch, as of the last call of `starved_s`."""
        _ticker.start(self)
        self._starved = _starved_s()
        self._processor_s = time.thread_time()
        self._began = time.monotonic()

    def starved_s(self) -> float:
        """Return how much of the time was lost to a busy machine, at most, and to collections of garbage.

        The kernel's figure of the machine is a mean over processors, so a single one may have been short for longer.
        """
        queued_s, busy_s, stalled_s, io_s, collecting_s = (
            after - before for before, after in zip(self._starved, _starved_s(), strict=True)
        )
        return max(queued_s, busy_s, stalled_s) + io_s + collecting_s

    def elapsed_s(self) -> float:
        """Return the time since the start without what was lost to other work; near 0 on a machine without pause."""
        return max(0.0, time.monotonic() - self._began - self.starved_s())

    def processor_s(self) -> float:
        """Return the processor time of this thread since the start, without collections of garbage."""
        return max(0.0, time.thread_time() - self._processor_s - (_collections.total_s - self._starved[-1]))


_TRIES = 5


async def undisturbed(check: Callable[[], Awaitable[None]], *, pause_s: float) -> None:
    """Make a check that depends on short times, and make it anew if a pause of this process may have failed it.

    Args:
        check: Begins anew each time.
        pause_s: The shortest pause of this process that can fail the check of a right product. Without such a pause a
            failure counts at once; with one in each of five tries, the last failure counts.
    """
    for _ in range(_TRIES - 1):
        watch = Stopwatch()
        try:
            return await check()
        except (AssertionError, TimeoutError):
            watch.starved_s()
            if watch.longest_pause_s < pause_s:
                raise
    return await check()
