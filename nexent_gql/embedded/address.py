"""Where an engine listens: a unix socket in a private folder, else a free port of the loopback."""

import hashlib
import os
import socket
import stat
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from nexent_gql.embedded.errors import EngineError
from nexent_gql.embedded.layout import Layout
from nexent_gql.embedded.system_account import SystemAccount

LOOPBACK = "127.0.0.1"
POSTGRES_SOCKET = ".s.PGSQL.5432"
VALKEY_SOCKET = "valkey.sock"
_FOR_GROUP = stat.S_IRWXU | stat.S_IXGRP
_MAX_PATH_BYTES = 103 if sys.platform == "darwin" else 107


@dataclass(frozen=True)
class Address:
    """A place to listen.

    Attributes:
        folder: Private to the engines' user and reachable for it; also holds an engine's secret files.
        port: None for a unix socket in `folder`, else a TCP port of the loopback.
    """

    folder: Path
    port: int | None = None


def free_port() -> int:
    """Return a free TCP port of the loopback."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def private_folder(layout: Layout, account: SystemAccount | None) -> Path:
    """Return a folder for sockets and secret files, made if needed: `run/`, or one with a short path elsewhere.

    Sockets fit unless it is `run/` as the last resort, see `fits`.

    Raises:
        EngineError: The engines' user can reach no private folder.
    """
    for folder in _candidates(layout, account):
        if _claim(folder, account):
            return folder
    if account is None:
        return layout.run
    raise EngineError(f"No private folder for user {account.name} can be made in /run or {tempfile.gettempdir()}.")


def fits(folder: Path) -> bool:
    """Whether socket paths in this folder are short enough, and the same in a URL as on disk."""
    return len(os.fsencode(folder / POSTGRES_SOCKET)) <= _MAX_PATH_BYTES and quote(str(folder)) == str(folder)


def _candidates(layout: Layout, account: SystemAccount | None) -> Iterator[Path]:
    if account is None and fits(layout.run):
        yield layout.run
    key = hashlib.sha256(os.fsencode(layout.root.resolve())).hexdigest()[:12]
    bases = (Path("/run"), Path(tempfile.gettempdir()), Path("/tmp"))  # noqa: S108 # _claim wants it private
    for base in bases if account is not None else bases[1:]:
        folder = base / f"nexent-{os.geteuid()}-{key}"
        if base.is_dir() and fits(folder):
            yield folder


def _claim(folder: Path, account: SystemAccount | None) -> bool:
    """Make a folder that only the engines' user and its group can enter; False where that fails or somebody was first.

    The group is for those who connect: its members may come to the sockets, and list or write nothing.
    """
    owners = {os.geteuid()} if account is None else {os.geteuid(), account.uid}
    try:
        folder.mkdir(mode=stat.S_IRWXU, exist_ok=True)
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid not in owners or stat.S_IMODE(status.st_mode) & 0o067:
            return False
        if account is not None:
            account.chown(folder)
            folder.chmod(_FOR_GROUP)
    except OSError:
        return False
    return True
