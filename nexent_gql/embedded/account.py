"""Which user the engines run as, and whether that user can reach a file.

PostgreSQL refuses to run as root, so root gives both engines to another account of the system.
"""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from nexent_gql.embedded.errors import EngineError

_CANDIDATES = ("nexent", "postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """A user of this system that the engines are given to."""

    name: str
    uid: int
    gid: int

    @classmethod
    def of(cls, entry: pwd.struct_passwd) -> Self:
        """Take what is needed from an entry of the user database."""
        return cls(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)

    def take(self, path: Path) -> None:
        """Give a file or folder, without what is in it, to this user."""
        os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def can_reach(self, path: Path) -> bool:
        """Whether this user can execute (or, a folder, enter) `path` and enter every folder above it."""
        real = path.resolve()
        return all(self._can_enter(place) for place in (real, *real.parents))

    def _can_enter(self, path: Path) -> bool:
        found = path.stat()
        if found.st_uid == self.uid:
            return bool(found.st_mode & stat.S_IXUSR)
        return bool(found.st_mode & (stat.S_IXGRP if found.st_gid == self.gid else stat.S_IXOTH))


def engine_account(data: Path) -> Account | None:
    """Choose the user for the engines; None means this process's own, because it is not root.

    An existing data folder keeps its owner, whatever accounts were added since.

    Raises:
        EngineError: Root finds no account to give the engines to.
    """
    if os.geteuid() != 0:
        return None
    try:
        owner = data.stat().st_uid if data.exists() else 0
        if owner != 0:
            return Account.of(pwd.getpwuid(owner))
    except KeyError as error:
        msg = f"{data} belongs to a user id that this system does not know ({error}); chown it to an existing user."
        raise EngineError(msg) from error
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    for name in _CANDIDATES:
        if name in known and known[name].pw_uid != 0:
            return Account.of(known[name])
    msg = f"PostgreSQL does not run as root and none of the users {', '.join(_CANDIDATES)} exists: create one, or don't run as root."
    raise EngineError(msg)
