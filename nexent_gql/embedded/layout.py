"""What lies where in the state folder, and who may read it."""

import hashlib
import json
import os
import secrets
import stat
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import quote

from nexent_gql.embedded.account import Account
from nexent_gql.embedded.errors import EngineError

POSTGRES_SOCKET = ".s.PGSQL.5432"
VALKEY_SOCKET = "valkey.sock"
_MAX_SOCKET_PATH_BYTES = 103 if sys.platform == "darwin" else 107
_MAX_LOG_BYTES = 10_000_000
_PRIVATE = 0o700


@dataclass(frozen=True)
class Secrets:
    """Passwords of the embedded engines, made once for each state folder; URL-safe characters only."""

    postgres_admin: str
    postgres: str
    valkey: str


@dataclass(frozen=True)
class Layout:
    """The state folder: `postgres/`, `valkey/`, `run/`, `log/` and `secrets.json`."""

    root: Path

    @property
    def postgres(self) -> Path:
        """PostgreSQL's data folder."""
        return self.root / "postgres"

    @property
    def valkey(self) -> Path:
        """Valkey's data folder."""
        return self.root / "valkey"

    @property
    def run(self) -> Path:
        """Process ids, and the sockets unless their paths would be too long or out of reach."""
        return self.root / "run"

    def prepare(self) -> None:
        """Make the folders that are not an engine's own.

        Raises:
            EngineError: The state folder can't be written.
        """
        try:
            for folder in (self.root, self.run, self.root / "log"):
                folder.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        except OSError as error:
            raise EngineError(cannot_write(self.root, error)) from error

    def make_private(self, folder: Path, account: Account | None) -> None:
        """Make an engine's own folder (0700), if it is missing, and give it to the engines' user."""
        try:
            folder.mkdir(mode=_PRIVATE, exist_ok=True)
            if account is not None:
                account.take(folder)
        except OSError as error:
            raise EngineError(cannot_write(folder, error)) from error

    def open_log(self, name: str) -> int:
        """Open `log/NAME.log` for appending; one above 10 MB becomes `NAME.log.1` first.

        Returns:
            A descriptor that the caller closes.
        """
        path = self.log_of(name)
        if path.exists() and path.stat().st_size > _MAX_LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def log_of(self, name: str) -> Path:
        """Return where an engine's log is."""
        return self.root / "log" / f"{name}.log"

    def secrets(self) -> Secrets:
        """Read `secrets.json`, or make it (mode 0600).

        Raises:
            EngineError: It can't be read or was damaged.
        """
        path = self.root / "secrets.json"
        try:
            if path.exists():
                return Secrets(**cast("dict[str, str]", json.loads(path.read_text())))
            made = Secrets(*(secrets.token_urlsafe(24) for _ in range(3)))
            write_private(path, json.dumps(made.__dict__))
        except OSError as error:
            raise EngineError(cannot_write(path, error)) from error
        except (ValueError, TypeError) as error:
            msg = f"{path} is damaged: restore it, or move {self.root} away to begin anew."
            raise EngineError(msg) from error
        return made

    def socket_folder(self, account: Account | None) -> Path | None:
        """Return a private folder whose socket paths fit, made if needed; None when there is none."""
        return next((folder for folder in self._socket_folders(account) if _claim(folder, account)), None)

    def _socket_folders(self, account: Account | None) -> Iterator[Path]:
        if account is None and _fits(self.run):
            yield self.run
        key = hashlib.sha256(os.fsencode(self.root.resolve())).hexdigest()[:12]
        bases = [Path("/run")] if os.geteuid() == 0 else []
        for base in (*bases, Path(tempfile.gettempdir()), Path("/tmp")):  # noqa: S108 # _claim checks the owner
            folder = base / f"nexent-{os.geteuid()}-{key}"
            if base.is_dir() and _fits(folder):
                yield folder


def write_private(path: Path, text: str, account: Account | None = None) -> None:
    """Write a file that only its user can read, whole or not at all."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, text.encode())
        os.fsync(fd)
    finally:
        os.close(fd)
    if account is not None:
        account.take(new)
    new.replace(path)


def cannot_write(path: Path, error: OSError) -> str:
    """Say that a place can't be written, and what to do."""
    return f"{path} can't be written ({error.strerror}): free or repair it, or choose another state folder."


def _fits(folder: Path) -> bool:
    longest = os.fsencode(folder / POSTGRES_SOCKET)
    return len(longest) <= _MAX_SOCKET_PATH_BYTES and quote(str(folder)) == str(folder)


def _claim(folder: Path, account: Account | None) -> bool:
    """Make a folder private to the engine's user; False when somebody else has put something there."""
    try:
        folder.mkdir(mode=_PRIVATE, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {os.geteuid(), account.uid if account else -1}:
            return False
        folder.chmod(_PRIVATE)
        if account is not None:
            account.take(folder)
    except OSError:
        return False
    return True
