"""A Valkey of one's own: a real server on a free port, that can be killed, restarted and wiped."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from nexent_gql.embedded import shim
from nexent_gql.embedded.binaries import find_binaries
from nexent_gql.embedded.errors import EngineError

START_TIMEOUT_S = 10.0


class ValkeyUnderTest:
    """A server with append-only persistence in `folder`; its port stays the same across restarts.

    It runs under the shim of the embedded engines, and so never outlives the tests. Methods block for
    some 10 ms.
    """

    def __init__(self, binary: Path, folder: Path) -> None:
        self._folder = folder
        self._shim: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._command = [binary, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--loglevel", "warning"]
        self._command += ["--appendonly", "yes", "--appendfsync", "everysec"]

    def start(self) -> None:
        with (self._folder / "pid").open("wb") as pid:
            keep = [
                sys.executable,
                "-I",
                "-S",
                "-B",
                shim.__file__,
                "-1",
                "-1",
                self._folder,
                str(pid.fileno()),
                "9:5",
            ]
            self._shim = subprocess.Popen(
                [*keep, *self._command], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, pass_fds=(pid.fileno(),)
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while self.command("PING") != b"+PONG\r\n":
            assert time.monotonic() < deadline, "valkey does not answer"
            time.sleep(0.005)

    def kill(self) -> None:
        """End it as a crash would."""
        if self._shim is not None and self._shim.stdin is not None:
            with suppress(ProcessLookupError):
                os.kill(int((self._folder / "pid").read_text()), signal.SIGKILL)
            self._shim.wait(START_TIMEOUT_S)
            self._shim.stdin.close()
            self._shim = None

    def lose_data(self) -> None:
        """Forget what is on disk; for a server that is not running."""
        for file in (self._folder / "appendonlydir").iterdir():
            file.unlink()

    def command(self, line: str) -> bytes:
        """Send one inline command on a connection of its own, return the first line; empty without a server."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=START_TIMEOUT_S) as connection:
                connection.sendall(line.encode() + b"\r\n")
                return connection.makefile("rb").readline()
        except ConnectionError:
            return b""


@contextmanager
def running_valkey() -> Generator[ValkeyUnderTest]:
    """Run a server in a temporary folder; skip the test where there is none for this machine."""
    try:
        binary = find_binaries().valkey
    except EngineError as error:
        pytest.skip(str(error))
    with tempfile.TemporaryDirectory(prefix="nexent-valkey-") as folder:
        valkey = ValkeyUnderTest(binary, Path(folder))
        valkey.start()
        try:
            yield valkey
        finally:
            valkey.kill()


def free_port() -> int:
    """Return a port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
