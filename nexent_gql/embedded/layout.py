"""Paths and permissions within the state folder."""

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

from nexent_gql.embedded.errors import EngineError
from nexent_gql.embedded.system_account import SystemAccount

_MAX_LOG_BYTES = 10_000_000
_PRIVATE = 0o700


@dataclass(frozen=True)
class Secrets:
    """Passwords of the embedded engines, generated once for each state folder; URL-safe characters only."""

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
        """Create the folders that do not belong to one engine; existing ones keep their permissions."""
        for folder in (self.root, self.run, self.root / "log"):
            folder.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)

    def make_private(self, folder: Path, account: SystemAccount | None) -> None:
        """Create the folder of an engine if it is missing, and make the engines' user its owner."""
        folder.mkdir(mode=_PRIVATE, exist_ok=True)
        if account is not None:
            account.chown(folder)

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
        """Return the path of an engine's log."""
        return self.root / "log" / f"{name}.log"

    def secrets(self) -> Secrets:
        """Read `secrets.json`, or create it (mode 0600).

        Raises:
            EngineError: The file is damaged.
        """
        path = self.root / "secrets.json"
        if not path.exists():
            passwords = Secrets(*(secrets.token_urlsafe(24) for _ in range(3)))
            write_private(path, json.dumps(asdict(passwords)))
            return passwords
        try:
            return Secrets(**cast("dict[str, str]", json.loads(path.read_text())))
        except (ValueError, TypeError) as error:
            raise EngineError(f"{path} is damaged: restore it, or delete it to have new passwords made.") from error


def write_private(path: Path, text: str, account: SystemAccount | None = None) -> None:
    """Write a file atomically that only its user can read."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, text.encode())
        os.fsync(fd)
    finally:
        os.close(fd)
    if account is not None:
        account.chown(new)
    new.replace(path)
