"""A whole installation for end-to-end tests: `nexent-gql up` as a user starts it, with its output read."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.support.health_checks import assert_healthy

READY_S = 60.0
STOP_S = 25.0


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Installation:
    """One `up` over one state folder; `ready_line` is what it printed when it was ready."""

    state_dir: Path
    port: int = field(default_factory=free_port)
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    workers: int = 1
    process: subprocess.Popen[str] | None = None
    ready_line: str = ""

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self.process is not None and self.process.poll() is None

    @property
    def url(self) -> str:
        """The HTTP endpoint."""
        return f"http://127.0.0.1:{self.port}/graphql"

    @property
    def socket_url(self) -> str:
        """The WebSocket endpoint."""
        return f"ws://127.0.0.1:{self.port}/graphql"

    @property
    def errors_path(self) -> Path:
        """Where its standard error goes."""
        return self.state_dir.with_suffix(".err")

    def start(self) -> None:
        """Start, and keep the one line of standard output that says it is ready."""
        command = [sys.executable, "-m", "nexent_gql.cli", "up", "--port", str(self.port)]
        with self.errors_path.open("a") as errors:
            self.process = subprocess.Popen(
                [*command, "--state-dir", str(self.state_dir), "--workers", str(self.workers)],
                env={**clean_environment(), **self.environment},
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.errors()
        self.ready_line = line.rstrip("\n")

    def errors(self) -> str:
        """Return what it told the terminal beside the ready line."""
        return self.errors_path.read_text()

    def log(self, name: str) -> str:
        """Return the log of one of its processes."""
        return (self.state_dir / "log" / f"{name}.log").read_text()

    def stop(self, number: int = signal.SIGINT) -> int:
        """Send a signal and return the exit status."""
        assert self.process is not None
        self.process.send_signal(number)
        status = self.process.wait(STOP_S)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return status

    def family(self) -> list[psutil.Process]:
        """Return all processes below `up`."""
        assert self.process is not None
        return psutil.Process(self.process.pid).children(recursive=True)

    def processes(self, words: str) -> list[psutil.Process]:
        """Return those of them whose command line matches."""
        return [process for process in self.family() if re.search(words, _command_line(process))]

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another command of the command line over the same state folder."""
        return run_command(*arguments, "--state-dir", str(self.state_dir), environment=self.environment)

    def token(self) -> str:
        """Return a bearer token of the demo user."""
        result = self.command("token")
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()


def _command_line(process: psutil.Process) -> str:
    """Return nothing for one that has ended just now."""
    try:
        return " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""


def run_command(*arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run `nexent-gql` with these arguments."""
    return subprocess.run(
        [sys.executable, "-m", "nexent_gql.cli", *arguments],
        env={**clean_environment(), **(environment or {})},
        capture_output=True,
        text=True,
        timeout=READY_S,
        check=False,
    )


def clean_environment() -> dict[str, str]:
    """Return this process's environment without what would configure the server."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("NEXENT_", "OPENAI_"))}


@contextmanager
def running(installation: Installation) -> Generator[Installation]:
    """Start an installation, and leave nothing of it behind; whether it is well is for the caller to judge."""
    installation.start()
    try:
        yield installation
    finally:
        if installation.is_running:
            installation.stop(signal.SIGTERM)


@contextmanager
def installed(
    state_dir: Path, *, environment: Mapping[str, str] | None = None, workers: int = 1
) -> Generator[Installation]:
    """Run an installation until the block ends; it has to be well then, unless the block has failed."""
    with running(Installation(state_dir, environment=environment or {}, workers=workers)) as installation:
        yield installation
        assert_healthy(state_dir, is_running=installation.is_running)


def gone(processes: list[psutil.Process], within_s: float) -> list[psutil.Process]:
    """Return those that still run after a while."""
    deadline = time.monotonic() + within_s
    left = [process for process in processes if process.is_running()]
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = [process for process in left if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    return left
