"""Start-up steps of every process."""

import ctypes
import gc
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence

LIFELINE = "--lifeline"
_GRACE_S = 15.0
_PR_SET_DUMPABLE = 4
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_MAPPED_BYTES = 512 * 1024
_ARENAS = 2


def follow_supervisor(arguments: Sequence[str]) -> None:
    """Wait for the supervisor's environment and end with the supervisor, if `arguments` name one.

    Standard input is then a pipe whose other end only the supervisor holds. Its first line is a JSON object with
    variables to add to the environment: processes start and import their code before the engines are ready. When the
    pipe closes, on purpose or because the supervisor was killed, this process ends, even if its event loop is stuck.
    """
    if LIFELINE not in arguments:
        return
    word = sys.stdin.readline()
    if not word:
        sys.exit(0)
    os.environ.update(json.loads(word))
    threading.Thread(target=_watch, name="lifeline", daemon=True).start()


def protect_memory() -> None:
    """Hide this process's memory and environment, which contain keys, from other processes of the same user.

    Child processes that run untrusted code have the same user. Linux only; root can still attach a debugger.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def tune_collector() -> None:
    """Exclude objects that exist after start-up from garbage collection, and collect less often.

    Call it when all long-lived objects exist: modules and the schema are never garbage, and most other objects are
    freed by reference counting. The first threshold decides how long the usual pause is, and how much memory garbage
    occupies until it is found. Allocators keep most of that memory.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 5, 10)


def tune_allocator() -> None:
    """Let glibc return large blocks to the system; other C libraries do so anyway.

    By default the first free of a large block, such as the 19 MiB of a password hash, makes glibc take later ones from
    its heap, where small blocks behind them keep them from being returned. Source: mallopt(3).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if sys.platform == "linux" and mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _MAPPED_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _MAPPED_BYTES)
        mallopt(_M_ARENA_MAX, _ARENAS)


def _watch() -> None:
    while os.read(sys.stdin.fileno(), 4096):
        continue
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_S)
    os._exit(1)
