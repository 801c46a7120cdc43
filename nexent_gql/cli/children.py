"""The API and worker processes under `up`: started with a lifeline, restarted when they exit, stopped in order."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from nexent_gql.process import LIFELINE

_MAX_LOG_BYTES = 10_000_000
_TAIL_BYTES = 4_000
_STABLE_S = 30.0
_FIRST_PAUSE_S = 0.2
_MAX_PAUSE_S = 10.0


@dataclass(slots=True)
class Child:
    """One process, run in `folder` (by default the current one); its output goes to `log`.

    It loads its code when started, and begins to work when released.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    folder: Path | None = None
    late_environment: Mapping[str, str] = field(default_factory=dict[str, str])
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0
    pause_s: float = _FIRST_PAUSE_S
    not_before: float = field(default=0)

    def start(self) -> None:
        """Start the process in a new session, so that Ctrl-C in the terminal reaches only the supervisor."""
        if self.log.exists() and self.log.stat().st_size > _MAX_LOG_BYTES:
            self.log.replace(self.log.with_suffix(".old.log"))
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [*self.command, LIFELINE],
                env=dict(self.environment),
                cwd=self.folder,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.started_at = time.monotonic()

    def release(self, late_environment: Mapping[str, str]) -> None:
        """Let it begin, with settings that were unknown at its start or must not be visible in its environment."""
        self.late_environment = late_environment
        if self.process is not None and self.process.stdin is not None:
            with suppress(BrokenPipeError):  # the process has ended; its status will be reported
                self.process.stdin.write(json.dumps(dict(late_environment)).encode() + b"\n")
                self.process.stdin.flush()

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def revive(self) -> int | None:
        """Restart it if it died, with increasing delays; return the exit status when it has ended."""
        if self.process is None or self.is_running():
            return None
        now = time.monotonic()
        if self.not_before == 0:
            if now - self.started_at > _STABLE_S:
                self.pause_s = _FIRST_PAUSE_S
            self.not_before = now + self.pause_s
            self.pause_s = min(self.pause_s * 2, _MAX_PAUSE_S)
            return self.process.returncode
        if now >= self.not_before:
            self.not_before = 0
            self.start()
            self.release(self.late_environment)
        return None

    def ask_to_stop(self) -> None:
        """Send SIGTERM, without waiting."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def wait_stopped(self, timeout_s: float) -> None:
        """Wait until it has ended; kill it after a while."""
        if self.process is None:
            return
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()

    def log_tail(self) -> str:
        """Return the last lines of its log."""
        data = self.log.read_bytes()[-_TAIL_BYTES:] if self.log.exists() else b""
        return data.decode(errors="replace").strip()


def python_command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module in this interpreter."""
    return [sys.executable, "-m", module, *arguments]
