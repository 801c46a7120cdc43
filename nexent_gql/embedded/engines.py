"""Both engines as one set: started together, watched, restarted one by one, stopped together."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from nexent_gql.embedded.account import engine_account
from nexent_gql.embedded.address import choose_address
from nexent_gql.embedded.binaries import find_binaries
from nexent_gql.embedded.layout import Layout
from nexent_gql.embedded.lock import StateLock
from nexent_gql.embedded.postgres import Postgres
from nexent_gql.embedded.valkey import Valkey

READY_TIMEOUT_S = 120.0
"""A crash recovery may replay up to a gigabyte of log."""


@dataclass(frozen=True)
class Engines:
    """Where the running engines are.

    Attributes:
        database_url: `postgresql+asyncpg://...` of the login `nexent`, owner of the database `nexent`.
        redis_url: `unix://...` or `redis://...`.
    """

    database_url: str
    redis_url: str


def _silent(_message: str) -> None:
    """Report progress to nobody."""


class EngineSet:
    """PostgreSQL and Valkey over one state folder. Use it from one thread.

    Args:
        state_dir: Made if missing. Everything the engines keep is in it.
        durable: False for tests only: a power cut may then lose or break the data.
        tcp: Listen on free ports of the loopback also where unix sockets would do.
        lock: A `StateLock` of the same folder that the caller holds; without one, `start` takes its own.
    """

    def __init__(
        self, state_dir: Path, *, durable: bool = True, tcp: bool = False, lock: StateLock | None = None
    ) -> None:
        """Describe the set; nothing is touched before `start`."""
        self._layout = Layout(state_dir.absolute())
        self._durable = durable
        self._tcp = tcp
        self._lock = lock or StateLock(self._layout.root)
        self._owns_lock = lock is None
        self._parts: dict[str, Postgres | Valkey] = {}

    def start(self, progress: Callable[[str], None] = _silent) -> Engines:
        """Start both engines and return when both are ready.

        Args:
            progress: Called with a short line for each step.

        Raises:
            AlreadyRunningError: Another process uses the state folder.
            EngineError: An engine can't be started; nothing is left running then.
        """
        self._lock.acquire()
        try:
            return self._start(progress)
        except BaseException:
            self.stop()
            raise

    def _start(self, progress: Callable[[str], None]) -> Engines:
        layout = self._layout
        layout.prepare()
        account, binaries, secrets = engine_account(layout.postgres), find_binaries(), layout.secrets()
        address = choose_address(layout, account, tcp=self._tcp)
        valkey = Valkey(layout, binaries, account, address, secrets.valkey, self._durable)
        address = choose_address(layout, account, tcp=self._tcp)
        postgres = Postgres(layout, binaries, account, address, secrets, self._durable)
        self._parts = {"postgres": postgres, "valkey": valkey}
        progress("starting Valkey")
        valkey.begin()
        progress("creating the database" if postgres.is_new else "starting PostgreSQL")
        postgres.begin()
        postgres.wait_ready(READY_TIMEOUT_S)
        valkey.wait_ready(READY_TIMEOUT_S)
        return Engines(database_url=postgres.url, redis_url=valkey.url)

    def poll(self) -> list[str]:
        """Return the names (`postgres`, `valkey`) of engines that have ended by themselves."""
        return [name for name, part in self._parts.items() if not part.child.running]

    def restart(self, name: str) -> None:
        """Start an engine again, at the same address, and return when it is ready.

        Raises:
            EngineError: It can't be started.
        """
        part = self._parts[name]
        part.child.stop()
        part.begin()
        part.wait_ready(READY_TIMEOUT_S)

    def stop(self) -> None:
        """Stop both engines, wait for them, give the state folder back; doing so twice is fine."""
        for part in self._parts.values():
            part.child.let_go()
        for part in self._parts.values():
            part.child.stop()
        self._parts = {}
        if self._owns_lock:
            self._lock.release()

    def __enter__(self) -> Self:
        """Do nothing yet: `start` starts."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop what runs."""
        self.stop()
