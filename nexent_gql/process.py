"""Start-up of every process: follow its supervisor, and tune the garbage collector."""

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


def follow_supervisor(arguments: Sequence[str]) -> None:
    """Wait for the supervisor's environment and end with the supervisor, if `arguments` name one.

    Standard input is then a pipe whose other end only the supervisor holds. Its first line is a JSON object of what
    to add to the environment: processes are started, and import what they need, while the engines are on their way.
    When the pipe closes, on purpose or because the supervisor was killed, this process ends itself, also if its
    event loop is stuck.
    """
    if LIFELINE not in arguments:
        return
    word = sys.stdin.readline()
    if not word:
        sys.exit(0)
    os.environ.update(json.loads(word))
    threading.Thread(target=_watch, name="lifeline", daemon=True).start()


def protect_memory() -> None:
    """Close this process's memory and environment, where keys are, to other processes of the same user; on Linux only.

    Child processes that run what others wrote have that user too. Root can still attach a debugger.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def tune_collector() -> None:
    """Leave what start-up made out of collections, and collect the rest less often.

    Modules and the schema are never garbage, and events die young, without the collector.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _watch() -> None:
    while os.read(sys.stdin.fileno(), 4096):
        continue
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_S)
    os._exit(1)
