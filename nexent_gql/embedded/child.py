"""One engine as a child process: started through a keeper, watched, stopped, and never two at once."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nexent_gql.embedded.account import Account
from nexent_gql.embedded.binaries import CLEAN_ENVIRONMENT, explain
from nexent_gql.embedded.errors import EngineError
from nexent_gql.embedded.layout import Layout

_KEEPER = Path(__file__).with_name("keeper.py")
_POLL_S = 0.004
_TAIL_BYTES = 4_000
_TAIL_LINES = 8
_KEEPER_GRACE_S = 2.0


@dataclass(frozen=True)
class Command:
    """How to run an engine.

    Attributes:
        name: `postgres` or `valkey`: names the log and the pid file.
        arguments: The program and what it is given.
        folder: The working directory, which the engine's user need not reach from above.
        stops: The way down: signals, each with the seconds it is given.
    """

    name: str
    arguments: tuple[str, ...]
    folder: Path
    stops: tuple[tuple[signal.Signals, float], ...]


class Child:
    """A running engine. Methods are for one thread."""

    def __init__(self, command: Command, layout: Layout, account: Account | None) -> None:
        """Describe it; `start` runs it."""
        self._command = command
        self._layout = layout
        self._account = account
        self._keeper: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def running(self) -> bool:
        """Whether the engine was started and has not ended."""
        return self._keeper is not None and self._keeper.poll() is None

    def claim(self) -> int:
        """Make sure that no earlier process of this engine lives, ending an orphan if there is one.

        Every process of an engine inherits a locked descriptor of its pid file, so the lock tells
        exactly whether one is left: a stale file, a zombie or a re-used process id do not matter.

        Returns:
            The locked descriptor, for the caller to close.

        Raises:
            EngineError: An earlier process does not end.
        """
        path = self._layout.run / f"{self._command.name}.pid"
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        for number, wait_s in ((None, 0.0), *self._command.stops):
            if number is not None:
                _signal(_pid_in(fd), number)
            if _locked(fd, wait_s):
                os.ftruncate(fd, 0)
                return fd
        os.close(fd)
        msg = f"An earlier {self._command.name} process still runs on {self._command.folder} and can't be ended: see {path}."
        raise EngineError(msg)

    def start(self, lock_fd: int) -> None:
        """Run the engine under a keeper, which takes over `lock_fd` (from `claim`)."""
        account, command = self._account, self._command
        steps = ",".join(f"{int(number)}:{wait_s}" for number, wait_s in command.stops)
        user = ("-1", "-1") if account is None else (str(account.uid), str(account.gid))
        keeper = (sys.executable, "-I", "-S", "-B", str(_KEEPER), *user, str(command.folder), str(lock_fd), steps)
        log = self._layout.open_log(command.name)
        try:
            self._log_start = os.fstat(log).st_size
            self._keeper = subprocess.Popen(  # our own keeper and engine
                [*keeper, *command.arguments],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=CLEAN_ENVIRONMENT,
                pass_fds=(lock_fd,),
                start_new_session=True,
            )
        finally:
            os.close(log)
            os.close(lock_fd)

    def wait_until(self, ready: Callable[[], bool], timeout_s: float) -> None:
        """Return as soon as `ready` says so.

        Raises:
            EngineError: The engine ended, or was not ready in time; with the end of its log.
        """
        deadline = time.monotonic() + timeout_s
        while not ready():
            if not self.running:
                raise EngineError(explain(Path(self._command.arguments[0]), self.log_tail()))
            if time.monotonic() > deadline:
                msg = (
                    f"{self._command.name} was not ready after {timeout_s:.0f} s. The end of its log: {self.log_tail()}"
                )
                raise EngineError(msg)
            time.sleep(_POLL_S)

    def wait_success(self, timeout_s: float) -> None:
        """Return when the program has ended well.

        Raises:
            EngineError: It failed or did not end in time; with the end of its log.
        """
        self.wait_until(lambda: not self.running, timeout_s)
        if self._keeper is not None and self._keeper.returncode != 0:
            raise EngineError(explain(Path(self._command.arguments[0]), self.log_tail()))

    def let_go(self) -> None:
        """Begin to stop the engine, without waiting: close the keeper's lifeline."""
        if self._keeper is not None and self._keeper.stdin is not None:
            self._keeper.stdin.close()

    def stop(self) -> None:
        """Stop the engine and wait until it has ended; its way down ends with SIGKILL."""
        self.let_go()
        if self._keeper is not None:
            limit_s = sum(wait_s for _, wait_s in self._command.stops) + _KEEPER_GRACE_S
            try:
                self._keeper.wait(limit_s)
            except subprocess.TimeoutExpired:
                self._keeper.kill()
                self._keeper.wait()
            self._keeper = None

    def log_tail(self) -> str:
        """Return the last lines this run has logged."""
        with self._layout.log_of(self._command.name).open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(self._log_start, size - _TAIL_BYTES))
            return "\n".join(log.read().decode(errors="replace").splitlines()[-_TAIL_LINES:])


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
    """Signal a process of an earlier run; it may have ended meanwhile."""
    if pid > 1:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
