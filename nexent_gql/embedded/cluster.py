"""Creates and checks a PostgreSQL data folder before its server starts, and removes what a crash left."""

import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from nexent_gql.embedded import shim
from nexent_gql.embedded.binaries import POSTGRES_MAJOR, Binaries
from nexent_gql.embedded.child import Child, Command
from nexent_gql.embedded.errors import EngineError, failure
from nexent_gql.embedded.layout import Layout, write_private
from nexent_gql.embedded.pid_lock import pid_lock
from nexent_gql.embedded.system_account import SystemAccount

_KILL = ((signal.SIGKILL, 5.0),)
_INIT_TIMEOUT_S = 120.0
_INIT_OPTIONS = (
    "--username=postgres",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--auth=scram-sha-256",
    "--no-sync",
    "--no-instructions",
)
_POSTMASTER_PID = "postmaster.pid"


@dataclass(frozen=True)
class Cluster:
    """The data folder of a layout.

    Attributes:
        private: A folder that the engines' user can reach, for a short-lived file with a password.
    """

    layout: Layout
    binaries: Binaries
    account: SystemAccount | None
    private: Path

    @property
    def exists(self) -> bool:
        """Whether there is data."""
        return self.layout.postgres.exists()

    @property
    def is_ready(self) -> bool:
        """Whether its server reports that it accepts connections."""
        try:
            lines = (self.layout.postgres / _POSTMASTER_PID).read_text().splitlines()
        except FileNotFoundError:
            return False
        return bool(lines) and lines[-1].strip() == "ready"

    def visible_path(self, data: Path) -> str:
        """Return the path by which a program that starts in the data folder sees it.

        On Linux this works even if the user can't enter the parent folders (a state folder in root's home): a link of
        the kernel leads to the working directory.
        """
        return "/proc/self/cwd" if self.account is not None and sys.platform == "linux" else str(data)

    def create(self, password: str) -> None:
        """Create the data folder under a temporary name and rename it, so that a killed start leaves no partial folder.

        Not synchronised to disk: a power failure can lose data of the last half minute.

        Args:
            password: For the superuser `postgres`.

        Raises:
            EngineError: `initdb` failed.
        """
        new, password_file = self.layout.root / "postgres.new", self.private / "initdb.password"
        arguments = (f"--pgdata={self.visible_path(new)}", f"--pwfile={password_file}", *_INIT_OPTIONS)
        with pid_lock(self.layout.run / "initdb.pid", _KILL) as lock_fd:
            if new.exists():
                shutil.rmtree(new)
            self.layout.make_private(new, self.account)
            write_private(password_file, password, self.account)
            initdb = Child(
                Command("initdb", self.binaries.program("initdb"), arguments, new, _KILL), self.layout, self.account
            )
            try:
                initdb.start(lock_fd)
                initdb.wait_success(_INIT_TIMEOUT_S)
            finally:
                initdb.stop()
                password_file.unlink()
        new.rename(self.layout.postgres)

    def check(self) -> None:
        """Refuse a data folder of another major version, or one on which a foreign server runs.

        Raises:
            EngineError: The folder can't be used.
        """
        data = self.layout.postgres
        version = (data / "PG_VERSION").read_text().strip()
        if version != str(POSTGRES_MAJOR):
            raise EngineError(
                f"{data} was written by PostgreSQL {version}, but {POSTGRES_MAJOR} is installed: "
                f"dump it with the old version and load it into a new state folder."
            )
        if (pid := self._foreign_server()) is not None:
            raise EngineError(f"Another PostgreSQL (process {pid}) runs on {data}: stop it first.")

    def clear_stale_server(self) -> None:
        """Delete the pid file of a killed server. PostgreSQL would trust it while a zombie of that server exists."""
        (self.layout.postgres / _POSTMASTER_PID).unlink(missing_ok=True)

    def reset_password(self, password: str, lock_fd: int) -> None:
        """Give the superuser another password while no server runs (about 0.1 s).

        Args:
            password: URL-safe characters only.
            lock_fd: Inherited by the program, so that a killed start does not leave it unnoticed.

        Raises:
            EngineError: PostgreSQL did not accept it.
        """
        data, user = self.layout.postgres, self.account
        program = self.binaries.program("postgres")
        process = subprocess.run(
            [program, "--single", "-D", self.visible_path(data), "-c", "exit_on_error=on", "postgres"],
            input=f"ALTER ROLE postgres PASSWORD '{password}'\n",
            cwd=data,
            env=shim.CLEAN_ENVIRONMENT,
            user=None if user is None else user.uid,
            group=None if user is None else user.gid,
            extra_groups=None if user is None else (),
            pass_fds=(lock_fd,),
            capture_output=True,
            text=True,
            check=False,
        )
        if process.returncode != 0:
            raise failure(program, process.stderr, data)

    def _foreign_server(self) -> int | None:
        """Return the pid of a server that another program started here. Our own earlier servers have ended by now."""
        try:
            first_line = (self.layout.postgres / _POSTMASTER_PID).read_text().split("\n", 1)[0]
            folder = Path(f"/proc/{int(first_line)}/cwd")
            return int(first_line) if folder.samefile(self.layout.postgres) else None
        except (OSError, ValueError):
            return None  # no such process, another user's, or no /proc; PostgreSQL's own interlock is left
