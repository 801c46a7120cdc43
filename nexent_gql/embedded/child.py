"""One engine as a child process: started through a shim, watched, stopped, and never two at once."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nexent_gql.embedded import shim
from nexent_gql.embedded.errors import EngineError, failure
from nexent_gql.embedded.layout import Layout
from nexent_gql.embedded.pid_lock import StopSequence
from nexent_gql.embedded.system_account import SystemAccount

_POLL_S = 0.004
_TAIL_BYTES = 4_000
_TAIL_LINES = 8
_SHIM_GRACE_S = 2.0


@dataclass(frozen=True)
class Command:
    """How to run an engine.

    Attributes:
        name: `postgres` or `valkey`: names the log and the pid file.
        program: What to execute.
        arguments: What it is given.
        folder: The working directory, which the engine's user need not be able to reach from above.
        stops: The way down.
    """

    name: str
    program: Path
    arguments: tuple[str, ...]
    folder: Path
    stops: StopSequence


class Child:
    """A program that runs under a shim. Methods are for one thread."""

    def __init__(self, command: Command, layout: Layout, account: SystemAccount | None) -> None:
        self._command = command
        self._layout = layout
        self._account = account
        self._shim: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._shim is not None and self._shim.poll() is None

    def start(self, lock_fd: int) -> None:
        """Run it; its processes inherit `lock_fd`, the locked descriptor of its pid file."""
        user, command = self._account, self._command
        steps = ",".join(f"{int(number)}:{wait_s}" for number, wait_s in command.stops)
        ids = ("-1", "-1") if user is None else (str(user.uid), str(user.gid))
        keep = (sys.executable, "-I", "-S", "-B", shim.__file__, *ids, command.folder, str(lock_fd), steps)
        log = self._layout.open_log(command.name)
        try:
            self._log_start = os.fstat(log).st_size
            self._shim = subprocess.Popen(
                [*keep, command.program, *command.arguments],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=(lock_fd,),
                start_new_session=True,  # a Ctrl-C in the terminal reaches the supervisor alone
            )
        finally:
            os.close(log)

    def wait_until(self, ready: Callable[[], bool], timeout_s: float) -> None:
        """Return as soon as `ready` returns true.

        Raises:
            EngineError: The program ended, or was not ready in time; with the end of its log.
        """
        deadline = time.monotonic() + timeout_s
        while not ready():
            if not self.running:
                if ready():  # it ended well between the two looks
                    return
                raise failure(self._command.program, self.log_tail(), self._command.folder)
            if time.monotonic() > deadline:
                name = self._command.program.name
                raise EngineError(f"{name} was not ready after {timeout_s:.0f} s, its log ends: {self.log_tail()}")
            time.sleep(_POLL_S)

    def wait_success(self, timeout_s: float) -> None:
        """Return when the program has ended well.

        Raises:
            EngineError: It failed or did not end in time; with the end of its log.
        """
        self.wait_until(lambda: not self.running, timeout_s)
        if self._shim is not None and self._shim.returncode != 0:
            raise failure(self._command.program, self.log_tail(), self._command.folder)

    def begin_stop(self) -> None:
        """Begin to stop it, without waiting: close the shim's lifeline."""
        if self._shim is not None and self._shim.stdin is not None:
            self._shim.stdin.close()

    def stop(self) -> None:
        """Stop it and wait until it has ended; its way down ends with SIGKILL."""
        self.begin_stop()
        if self._shim is not None:
            try:
                self._shim.wait(sum(wait_s for _, wait_s in self._command.stops) + _SHIM_GRACE_S)
            except subprocess.TimeoutExpired:
                self._shim.kill()
                self._shim.wait()
            self._shim = None

    def log_tail(self) -> str:
        """Return the last lines that this run has logged."""
        with self._layout.log_of(self._command.name).open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(self._log_start, size - _TAIL_BYTES))
            return "\n".join(log.read().decode(errors="replace").splitlines()[-_TAIL_LINES:])
