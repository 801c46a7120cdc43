"""Child processes that run untrusted code: killed on request, and when this process ends."""

import asyncio
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Self

import structlog

from nexent_gql.kernel.fairness import FairSemaphore

_SHELL = "/bin/sh"
_SCRIPT = """
pids=' '
while read -r change pid; do
  case $change in
    +) pids="$pids$pid " ;;
    -) pids="${pids%% $pid *} ${pids#* $pid }" ;;
  esac
done
[ -n "${pids# }" ] && kill -9 $pids
"""
_log = structlog.get_logger()


class ChildProcess:
    """A process by its id; a context manager. Uses a handle where the system has one, so that a reused id is safe."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._handle: int | None = None

    def __enter__(self) -> Self:
        if hasattr(os, "pidfd_open"):
            with suppress(OSError):
                self._handle = os.pidfd_open(self.pid)
        return self

    def __exit__(self, *_error: object) -> None:
        if self._handle is not None:
            os.close(self._handle)

    def kill(self) -> None:
        """Kill the process; does nothing when it has ended."""
        with suppress(ProcessLookupError):
            if self._handle is None:
                os.kill(self.pid, signal.SIGKILL)
            else:
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    def lower_priority(self, niceness: int) -> None:
        """Set the niceness, from 0 to 19; it cannot be lowered again."""
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, self.pid, niceness)

    def limit(self, *, memory_bytes: int) -> None:
        """Limit the address space, and forbid core dumps and writing to files; on Linux only."""
        if sys.platform == "linux":
            limits = ((resource.RLIMIT_AS, memory_bytes), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0))
            for kind, value in limits:
                with suppress(OSError, ValueError):  # the process has ended, or has a lower limit already
                    resource.prlimit(self.pid, kind, (value, value))


class SlotPool:
    """A pool whose tasks take slots, as metrics read it.

    Attributes:
        killed: How many processes were killed or died since the pool was opened.
    """

    def __init__(self, slots: FairSemaphore) -> None:
        self._slots = slots
        self.killed = 0

    @property
    def busy(self) -> int:
        """How many tasks run."""
        return self._slots.used_slots

    @property
    def waiting(self) -> int:
        """How many tasks wait for a slot."""
        return self._slots.waiting


class OrphanGuard:
    """Kills child processes when this process ends, also when it is killed.

    A small shell reads process ids from a pipe and kills the remaining ones when the pipe closes, which happens
    however this process ends. The shell has its own session, so that a signal to this process's group does not
    reach it.
    """

    def __init__(self) -> None:
        self._pids: set[int] = set()
        self._shell: subprocess.Popen[bytes] | None = None

    def add(self, pid: int) -> None:
        """Add a process, or with a negative id a process group."""
        self._pids.add(pid)
        self._send([("+", pid)])

    def remove(self, pid: int) -> None:
        """Remove a process that has ended or is about to end."""
        if pid in self._pids:
            self._pids.remove(pid)
            self._send([("-", pid)])

    async def aclose(self) -> None:
        """Kill the processes that remain, and end the shell."""
        shell, self._shell = self._shell, None
        if shell is not None and shell.stdin is not None:
            shell.stdin.close()
            await asyncio.to_thread(shell.wait)

    def _send(self, changes: Sequence[tuple[str, int]]) -> None:
        if self._shell is None or self._shell.poll() is not None:
            changes = [("+", pid) for pid in self._pids]
            if self._shell is not None and self._shell.stdin is not None:
                self._shell.stdin.close()
            self._shell = _start()
        if self._shell.stdin is not None:
            try:
                self._shell.stdin.write("".join(f"{change} {pid}\n" for change, pid in changes).encode())
            except BrokenPipeError:  # the next change starts another shell and sends it all process ids
                _log.warning("child_processes.guard_lost")


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [_SHELL, "-c", _SCRIPT],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={},
        bufsize=0,
        start_new_session=True,
    )
