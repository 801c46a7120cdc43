"""The embedded PostgreSQL server, with pgvector."""

import hashlib
import signal
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from nexent_gql.embedded.address import LOOPBACK, POSTGRES_SOCKET, Address
from nexent_gql.embedded.binaries import Binaries, run_program
from nexent_gql.embedded.child import Child, Command
from nexent_gql.embedded.cluster import Cluster
from nexent_gql.embedded.layout import Layout, Secrets, write_private
from nexent_gql.embedded.pid_lock import pid_lock
from nexent_gql.embedded.system_account import SystemAccount

_STOPS = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
_SETUP_TIMEOUT_S = 60.0
_DEFAULT_PORT = 5432
_SETTINGS = (
    "max_connections=200",
    "shared_buffers=128MB",
    "timezone=UTC",
    "log_timezone=UTC",
    "cluster_name=nexent",
    # In the data folder: /dev/shm has 64 MB in a container, and systemd empties it when its user logs out.
    "dynamic_shared_memory_type=mmap",
)
# A background worker in a database cannot be disconnected by its owner, who then cannot drop the database.
_FOR_TESTS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off")
_SETUP = """
SET log_min_error_statement = panic; -- a password never reaches the log
SELECT 'CREATE ROLE nexent' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'nexent') \\gexec
ALTER ROLE nexent LOGIN NOSUPERUSER NOBYPASSRLS NOREPLICATION CREATEROLE CREATEDB PASSWORD '{password}';
\\connect template1
CREATE EXTENSION IF NOT EXISTS vector;
SELECT 'CREATE DATABASE nexent OWNER nexent' WHERE NOT EXISTS
  (SELECT FROM pg_database WHERE datname = 'nexent') \\gexec
"""


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL server over the data folder of a layout; `durable` False may lose data in a power cut."""

    layout: Layout
    binaries: Binaries
    account: SystemAccount | None
    address: Address
    secrets: Secrets
    durable: bool

    @cached_property
    def cluster(self) -> Cluster:
        """The data folder."""
        return Cluster(self.layout, self.binaries, self.account, self.address.folder)

    @cached_property
    def child(self) -> Child:
        """The server's process."""
        data, port = self.layout.postgres, self.address.port
        listen = (
            (f"unix_socket_directories={self.address.folder}", "listen_addresses=")
            if port is None
            else ("unix_socket_directories=", f"listen_addresses={LOOPBACK}", f"port={port}")
        )
        socket_mode = "unix_socket_permissions=" + ("0700" if self.account is None else "0770")
        settings = (*listen, socket_mode, *_SETTINGS, *(() if self.durable else _FOR_TESTS))
        arguments = ("-D", self.cluster.visible_path(data), *(part for setting in settings for part in ("-c", setting)))
        command = Command("postgres", self.binaries.program("postgres"), arguments, data, _STOPS)
        return Child(command, self.layout, self.account)

    @property
    def url(self) -> str:
        """Where SQLAlchemy connects as the owner of the database `nexent`, with the password."""
        user = f"postgresql+asyncpg://nexent:{self.secrets.postgres}@"
        if self.address.port is None:
            return f"{user}/nexent?host={self.address.folder}"
        return f"{user}{LOOPBACK}:{self.address.port}/nexent"

    def begin(self) -> None:
        """Start the server without waiting for it, over a fresh data folder if there is none.

        Raises:
            EngineError: The data folder can't be made, or can't be used.
        """
        with pid_lock(self.layout.run / "postgres.pid", _STOPS) as lock_fd:
            is_new = not self.cluster.exists
            if is_new:
                self.cluster.create(self.secrets.postgres_admin)
            self.cluster.check()
            self.cluster.clear_stale_server()
            if not is_new and self._set_up_with() != self._passwords():
                self.cluster.reset_password(self.secrets.postgres_admin, lock_fd)
            self.clean_up()
            self.child.start(lock_fd)

    def wait_ready(self, timeout_s: float) -> None:
        """Return when the server takes connections (after crash recovery, if any) and `nexent` exists.

        Raises:
            EngineError: It ended, or was not ready in time.
        """
        self.child.wait_until(lambda: self.cluster.is_ready, timeout_s)
        if self._set_up_with() != self._passwords():
            self._set_up()
            write_private(self._done, self._passwords(), self.account)

    def clean_up(self) -> None:
        """Delete files that only a running server needs."""
        for name in (POSTGRES_SOCKET, f"{POSTGRES_SOCKET}.lock"):
            (self.address.folder / name).unlink(missing_ok=True)

    @property
    def _done(self) -> Path:
        """Path of the file that records a finished set-up and its passwords."""
        return self.layout.postgres / "nexent-setup"

    def _set_up_with(self) -> str:
        return self._done.read_text() if self._done.exists() else ""

    def _passwords(self) -> str:
        return hashlib.sha256(f"{self.secrets.postgres_admin}{self.secrets.postgres}".encode()).hexdigest()

    def _set_up(self) -> None:
        """Create the login, the database and the extension unless they exist; 0.2 s."""
        port = self.address.port
        run_program(
            self.binaries.program("psql"),
            *("--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--username=postgres", "--dbname=postgres"),
            f"--host={self.address.folder if port is None else LOOPBACK}",
            f"--port={port or _DEFAULT_PORT}",
            text=_SETUP.format(password=self.secrets.postgres),
            timeout_s=_SETUP_TIMEOUT_S,
            environment={"PGPASSWORD": self.secrets.postgres_admin},
        )
