"""PostgreSQL with pgvector: the truth of the embedded set."""

import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from nexent_gql.embedded.account import Account
from nexent_gql.embedded.address import LOOPBACK, Address
from nexent_gql.embedded.binaries import CLEAN_ENVIRONMENT, POSTGRES_MAJOR, Binaries
from nexent_gql.embedded.child import Child, Command
from nexent_gql.embedded.errors import EngineError
from nexent_gql.embedded.layout import POSTGRES_SOCKET, Layout, Secrets, write_private

_FAST_STOP = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
_INIT_TIMEOUT_S = 60.0
_SETUP_TIMEOUT_S = 60.0
_SETUP_DONE = "nexent-setup"
_SETTINGS = (
    "max_connections=200",
    "shared_buffers=128MB",
    "unix_socket_permissions=0700",
    "timezone=UTC",
    "log_timezone=UTC",
    "cluster_name=nexent",
)
_FOR_TESTS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
_SETUP = """
SET log_min_error_statement = panic;
SELECT 'CREATE ROLE nexent' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'nexent') \\gexec
ALTER ROLE nexent LOGIN NOSUPERUSER NOBYPASSRLS NOREPLICATION CREATEROLE CREATEDB PASSWORD '{password}';
\\connect template1
CREATE EXTENSION IF NOT EXISTS vector;
\\connect postgres
SELECT 'CREATE DATABASE nexent OWNER nexent' WHERE NOT EXISTS
  (SELECT FROM pg_database WHERE datname = 'nexent') \\gexec
"""


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL server over the data folder of a layout; `durable` False may lose data in a power cut."""

    layout: Layout
    binaries: Binaries
    account: Account | None
    address: Address
    secrets: Secrets
    durable: bool

    @cached_property
    def child(self) -> Child:
        """The server's process."""
        port = self.address.port
        listen = (
            (f"unix_socket_directories={self.address.folder}", "listen_addresses=")
            if port is None
            else ("unix_socket_directories=", f"listen_addresses={LOOPBACK}", f"port={port}")
        )
        settings = (*listen, *_SETTINGS, *(() if self.durable else _FOR_TESTS))
        program = (str(self.binaries.program("postgres")), "-D", self._seen(self.layout.postgres))
        arguments = (*program, *(part for setting in settings for part in ("-c", setting)))
        return Child(Command("postgres", arguments, self.layout.postgres, _FAST_STOP), self.layout, self.account)

    @property
    def url(self) -> str:
        """Where SQLAlchemy connects as the owner of the database `nexent`, with the password."""
        user = f"postgresql+asyncpg://nexent:{self.secrets.postgres}@"
        if self.address.port is None:
            return f"{user}/nexent?host={self.address.folder}"
        return f"{user}{LOOPBACK}:{self.address.port}/nexent"

    @property
    def is_new(self) -> bool:
        """Whether there is no data yet."""
        return not self.layout.postgres.exists()

    def begin(self) -> None:
        """Start the server without waiting for it, over a fresh data folder if there is none.

        Raises:
            EngineError: The data folder can't be made, or belongs to another major version.
        """
        claim = self.child.claim()
        if self.is_new:
            self._initialise()
        self._check_version()
        self._forget_earlier_run()
        self.child.start(claim)

    def wait_ready(self, timeout_s: float) -> None:
        """Return when the server takes connections (after crash recovery, if any) and `nexent` exists.

        Raises:
            EngineError: It ended, or was not ready in time.
        """
        self.child.wait_until(self._takes_connections, timeout_s)
        if not (done := self.layout.postgres / _SETUP_DONE).exists():
            self._set_up()
            write_private(done, "1\n", self.account)

    def _seen(self, data: Path) -> str:
        """Name the data folder as the server sees it: it can't pass through root's home to an absolute path."""
        return str(data) if self.account is None or sys.platform != "linux" else "/proc/self/cwd"

    def _initialise(self) -> None:
        """Build the data folder beside its place and move it there whole, so that a killed start leaves no half."""
        new = self.layout.root / "postgres.new"
        password = self.address.folder / "initdb.password"
        options = (
            f"--pgdata={self._seen(new)}",
            f"--pwfile={password}",
            "--username=postgres",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--auth=scram-sha-256",
            "--no-sync",
            "--no-instructions",
        )
        command = Command("initdb", (str(self.binaries.program("initdb")), *options), new, ((signal.SIGKILL, 5.0),))
        initdb = Child(command, self.layout, self.account)
        claim = initdb.claim()
        if new.exists():
            shutil.rmtree(new)
        self.layout.make_private(new, self.account)
        write_private(password, self.secrets.postgres_admin, self.account)
        try:
            initdb.start(claim)
            initdb.wait_success(_INIT_TIMEOUT_S)
        finally:
            initdb.stop()
            password.unlink()
        new.rename(self.layout.postgres)

    def _check_version(self) -> None:
        found = (self.layout.postgres / "PG_VERSION").read_text().strip()
        if found != str(POSTGRES_MAJOR):
            msg = (
                f"{self.layout.postgres} was written by PostgreSQL {found}, but {POSTGRES_MAJOR} is installed: "
                f"dump it with the old version and load it into a new state folder."
            )
            raise EngineError(msg)

    def _forget_earlier_run(self) -> None:
        """Drop what a killed server left; `claim` has made sure that none lives."""
        (self.layout.postgres / "postmaster.pid").unlink(missing_ok=True)
        for name in (POSTGRES_SOCKET, f"{POSTGRES_SOCKET}.lock"):
            (self.address.folder / name).unlink(missing_ok=True)

    def _takes_connections(self) -> bool:
        try:
            lines = (self.layout.postgres / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return bool(lines) and lines[-1].strip() == "ready"

    def _set_up(self) -> None:
        host, port = (str(self.address.folder), 5432) if self.address.port is None else (LOOPBACK, self.address.port)
        psql = self.binaries.program("psql")
        options = ("--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--username=postgres", "--dbname=postgres")
        done = subprocess.run(  # a program of our own wheel
            [psql, *options, f"--host={host}", f"--port={port}"],
            input=_SETUP.format(password=self.secrets.postgres),
            env={**CLEAN_ENVIRONMENT, "PGPASSWORD": self.secrets.postgres_admin},
            capture_output=True,
            text=True,
            timeout=_SETUP_TIMEOUT_S,
            check=False,
        )
        if done.returncode != 0:
            msg = f"The database nexent can't be set up: {done.stderr.strip()}"
            raise EngineError(msg)
