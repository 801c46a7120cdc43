"""Prevents two processes of an engine from using one data folder, even if the earlier supervisor was killed."""

import fcntl
import os
import signal
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from nexent_gql.embedded.errors import EngineError

StopSequence = tuple[tuple[signal.Signals, float], ...]
"""The way down of a process: signals in order, each with the seconds it is given to work."""

_POLL_S = 0.004


@contextmanager
def pid_lock(pid_file: Path, stops: StopSequence) -> Generator[int]:
    """Hold the pid file's lock, after ending the orphan of an earlier run if there is one.

    Every process of an engine inherits the locked descriptor, so the lock is held exactly as long as one of them runs.
    A stale file, a zombie or a reused process id has no effect.

    Yields:
        The locked descriptor, to be inherited by the engine; closed here at the end of the block.

    Raises:
        EngineError: An earlier process does not end.
    """
    fd = os.open(pid_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        if not _locked(fd, 0) and not _end_earlier(fd, stops):
            raise EngineError(f"Process {_pid_in(fd)} of an earlier run can't be ended ({pid_file}): end it by hand.")
        os.ftruncate(fd, 0)
        yield fd
    finally:
        os.close(fd)


def _end_earlier(fd: int, stops: StopSequence) -> bool:
    for number, wait_s in stops:
        _signal(_pid_in(fd), number)
        if _locked(fd, wait_s):
            return True
    return False


def _locked(fd: int, wait_s: float) -> bool:
    """Take the lock, waiting at most so long."""
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_S)
        else:
            return True


def _pid_in(fd: int) -> int:
    text = os.pread(fd, 32, 0)
    return int(text) if text.isdigit() else 0


def _signal(pid: int, number: signal.Signals) -> None:
    if pid > 1:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return  # it ended meanwhile; what it started may need a moment longer
