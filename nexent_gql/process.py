"""What each process of ours does when it starts: hold on to its supervisor, and tune the collector."""

import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence

LIFELINE = "--lifeline"
_GRACE_S = 15.0


def hold_on(arguments: Sequence[str]) -> None:
    """End with the supervisor, if `arguments` say that there is one.

    Standard input is then a pipe whose other end only the supervisor holds. When it closes, on purpose or because
    the supervisor was killed, this process ends itself, also if its event loop is stuck.
    """
    if LIFELINE in arguments:
        threading.Thread(target=_watch, name="lifeline", daemon=True).start()


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
