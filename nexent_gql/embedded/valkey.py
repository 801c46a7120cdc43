"""The embedded Valkey server, for queues, caches and pub/sub."""

import signal
import socket
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from nexent_gql.embedded.address import LOOPBACK, VALKEY_SOCKET, Address
from nexent_gql.embedded.binaries import Binaries
from nexent_gql.embedded.child import Child, Command
from nexent_gql.embedded.layout import Layout, write_private
from nexent_gql.embedded.pid_lock import pid_lock
from nexent_gql.embedded.system_account import SystemAccount

_STOPS = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0))
_PING_TIMEOUT_S = 2.0
_READY = b"+OK\r\n+PONG\r\n"


@dataclass(frozen=True)
class Valkey:
    """A Valkey server over the data folder of a layout; `durable` False keeps everything in memory only."""

    layout: Layout
    binaries: Binaries
    account: SystemAccount | None
    address: Address
    password: str
    durable: bool

    @cached_property
    def child(self) -> Child:
        """The server's process."""
        command = Command("valkey", self.binaries.valkey, (str(self._conf),), self.layout.valkey, _STOPS)
        return Child(command, self.layout, self.account)

    @property
    def url(self) -> str:
        """URL for clients such as redis-py and arq, with the password."""
        if self.address.port is None:
            return f"unix://:{self.password}@{self._socket}?db=0"
        return f"redis://:{self.password}@{LOOPBACK}:{self.address.port}/0"

    def begin(self) -> None:
        """Start the server without waiting for it."""
        with pid_lock(self.layout.run / "valkey.pid", _STOPS) as lock_fd:
            self.layout.make_private(self.layout.valkey, self.account)
            write_private(self._conf, self._settings(), self.account)
            self.child.start(lock_fd)

    def wait_ready(self, timeout_s: float) -> None:
        """Return when the server has loaded its data and answers.

        Raises:
            EngineError: It ended, or was not ready in time.
        """
        self.child.wait_until(self._answers, timeout_s)
        self._conf.unlink(missing_ok=True)  # read once; it holds the password

    def clean_up(self) -> None:
        """Delete files that only a running server needs."""
        for path in (self._conf, self._socket):
            path.unlink(missing_ok=True)

    @property
    def _conf(self) -> Path:
        return self.address.folder / "valkey.conf"

    @property
    def _socket(self) -> Path:
        return self.address.folder / VALKEY_SOCKET

    def _settings(self) -> str:
        port = self.address.port
        mode = "700" if self.account is None else "770"
        listen = (f"unixsocket {self._socket}", f"unixsocketperm {mode}") if port is None else (f"bind {LOOPBACK}",)
        lines = (
            f"port {port or 0}",
            *listen,
            f"requirepass {self.password}",
            f"appendonly {'yes' if self.durable else 'no'}",
            "appendfsync everysec",
            "auto-aof-rewrite-min-size 1mb",  # what was deleted leaves the file when it is rewritten
            'save ""',
            "maxmemory-policy noeviction",
        )
        return "\n".join(lines) + "\n"

    def _answers(self) -> bool:
        port = self.address.port
        with socket.socket(socket.AF_UNIX if port is None else socket.AF_INET) as client:
            client.settimeout(_PING_TIMEOUT_S)
            try:
                client.connect(str(self._socket) if port is None else (LOOPBACK, port))
                client.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                answer = b""
                while _READY.startswith(answer) and answer != _READY:
                    answer += client.recv(len(_READY)) or b"closed"
            except OSError:
                return False
        return answer == _READY
