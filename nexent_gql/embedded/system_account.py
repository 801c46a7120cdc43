"""Chooses the user of the engines, and checks which files that user can reach.

PostgreSQL refuses to run as root, so root gives both engines to another account of the system.
"""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from nexent_gql.embedded.errors import EngineError

_CANDIDATES = ("nexent", "postgres", "nobody")
"""An account made for this, one made for the same purpose, the one that every system has."""


@dataclass(frozen=True)
class SystemAccount:
    """A user of the operating system that runs the engines."""

    name: str
    uid: int
    gid: int

    def chown(self, path: Path) -> None:
        """Give a file or folder, without what is in it, to this user."""
        os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def can_access(self, path: Path) -> bool:
        """Whether this user can execute (or, a folder, enter) `path` and enter every folder above it."""
        real = path.resolve()
        return all(self.can_enter(place) for place in (real, *real.parents))

    def can_enter(self, path: Path) -> bool:
        """Whether this user can execute (or, a folder, enter) `path`, whatever stands above it."""
        status = path.stat()
        if status.st_uid == self.uid:
            return bool(status.st_mode & stat.S_IXUSR)
        return bool(status.st_mode & (stat.S_IXGRP if status.st_gid == self.gid else stat.S_IXOTH))


def engine_account(data: Path) -> SystemAccount | None:
    """Choose the user for the engines; None means this process's own, because it is not root.

    An existing data folder keeps its owner, whatever accounts were added since.

    Raises:
        EngineError: Root finds no account to give the engines to.
    """
    if os.geteuid() != 0:
        return None
    users = {entry.pw_name: entry for entry in pwd.getpwall() if entry.pw_uid != 0}
    owner = data.stat().st_uid if data.exists() else 0
    account = (
        next((entry for entry in users.values() if entry.pw_uid == owner), None)
        if owner
        else next((users[name] for name in _CANDIDATES if name in users), None)
    )
    if account is not None:
        return SystemAccount(account.pw_name, account.pw_uid, account.pw_gid)
    if owner:
        raise EngineError(f"{data} belongs to user id {owner}, which this system does not know: chown it.")
    raise EngineError(
        f"PostgreSQL does not run as root, and there is no user {' or '.join(_CANDIDATES)}: create one, or be another."
    )
