"""Runs one engine as the child of this small process, so that the engine never outlives the supervisor.

Run as a script: `python -I -S shim.py UID GID FOLDER PID_FD STOPS COMMAND...`; standard library only, because
it must start in milliseconds and without the package.

Its standard input is the lifeline: a pipe whose other end only the supervisor holds. When that end
closes, on purpose or because the supervisor was killed, the engine is stopped; also within a second when the
supervisor has ended, but a fork of it still holds the pipe. When the engine ends
by itself, the shim reaps it and ends with the same status, so the supervisor notices, and no zombie
is left that PostgreSQL would take for a running server. It has one thread, therefore Linux can also be
told to stop the engine when the shim itself is killed.

STOPS is the way down, e.g. `2:20,3:5,9:5`: signal number and seconds to wait for its effect.
"""

import ctypes
import os
import select
import signal
import sys
import time
from types import FrameType

CLEAN_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
"""What a program of an engine gets: nothing of the user's PG*, LD_* or locale settings."""

_CHECK_PARENT_EVERY_S = 1.0
_LIFELINE = 0
_PR_SET_PDEATHSIG = 1
_NOT_STARTED = 127
_SIGNALLED = 128
_HANDLED = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def main(arguments: list[str]) -> int:
    """Run COMMAND until it ends or must end; return its exit status as a shell would."""
    uid, gid, folder, pid_fd, stops, *command = arguments
    steps = [(int(number), float(wait_s)) for number, wait_s in (step.split(":") for step in stops.split(","))]
    shim, parent, wake = os.getpid(), os.getppid(), _wake_on_signals()
    signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)  # what is sent to the child meanwhile must not be lost
    pid = os.fork()
    if pid == 0:
        try:
            os.pwrite(int(pid_fd), str(os.getpid()).encode(), 0)
            _become(int(uid), int(gid), folder)
            _die_with(shim, steps[0][0])
            os.execve(command[0], command, CLEAN_ENVIRONMENT)  # noqa: S606 # our own command; no shell is wanted
        except OSError as error:
            os.write(2, f"{command[0]}: {error.strerror}\n".encode())
        os._exit(_NOT_STARTED)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
    os.close(int(pid_fd))  # its lock shows whether the engine runs, not whether the shim does
    status = _watch(pid, wake, parent)
    if status is None:
        status = _stop(pid, wake, steps)
    return status if status >= 0 else _SIGNALLED - status


def _wake_on_signals() -> int:
    """Return a descriptor on which the number of every signal arrives; none of them ends the shim."""
    wake, write = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(write, False)
    for number in _HANDLED:
        signal.signal(number, _ignore)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    return wake


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: a handler must exist for the descriptor to be written."""


def _become(uid: int, gid: int, folder: str) -> None:
    """Make this forked child ready to be the engine; with a negative UID the user stays."""
    signal.set_wakeup_fd(-1)
    for number in (*_HANDLED, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
    os.dup2(os.open(os.devnull, os.O_RDONLY), _LIFELINE)
    os.chdir(folder)  # before the user changes: folders above may be closed to that user
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)


def _die_with(shim: int, number: int) -> None:
    """Have Linux send a signal when the shim dies; after the change of user, which would undo it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != shim:
            os._exit(_NOT_STARTED)


def _watch(pid: int, wake: int, parent: int) -> int | None:
    """Wait until the engine ends; None when the lifeline or a signal requires its end."""
    while (status := _ended(pid)) is None:
        ready, _, _ = select.select([_LIFELINE, wake], [], [], _CHECK_PARENT_EVERY_S)
        is_signalled = wake in ready and set(os.read(wake, 4096)) != {signal.SIGCHLD}
        if is_signalled or _LIFELINE in ready or os.getppid() != parent:
            return None
    return status


def _stop(pid: int, wake: int, steps: list[tuple[int, float]]) -> int:
    """Send one signal after the other, each with its time to work; the last one is SIGKILL."""
    for number, wait_s in steps:
        os.kill(pid, number)
        deadline = time.monotonic() + wait_s
        while (left_s := deadline - time.monotonic()) > 0:
            if (status := _ended(pid)) is not None:
                return status
            if select.select([wake], [], [], left_s)[0]:
                os.read(wake, 4096)
    return _SIGNALLED + signal.SIGKILL


def _ended(pid: int) -> int | None:
    """Reap the engine if it has ended; its exit code, negative for a signal."""
    exited_pid, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if exited_pid else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
