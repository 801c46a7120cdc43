"""Runs our own processes as an unprivileged user if root starts them."""

import compileall
import json
import os
import pwd
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nexent_gql.embedded import unprivileged
from nexent_gql.embedded.system_account import SystemAccount, engine_account

_NAME = "nexent-app"
_FREE_IDS = range(61_840, 61_940)
"""Where systemd takes the ids of its dynamic users from too: no files belong to them."""

_PROBE_TIMEOUT_S = 20.0
_PACKAGES = ("nexent_gql", "workers")


@dataclass(frozen=True)
class Launcher:
    """Wraps commands so that they run as `account`.

    Attributes:
        account: None means the user of this process.
        prefix: Arguments before a command.
        problem: Why commands run as root; None if they do not.
        folder_problem: Why they can't write to the folder for files; None if they can.
    """

    account: SystemAccount | None = None
    prefix: tuple[str, ...] = ()
    problem: str | None = None
    folder_problem: str | None = None

    def wrap(self, command: Sequence[str]) -> list[str]:
        """Return the command to start instead."""
        return [*self.prefix, *command]


def launcher(state_dir: Path, *, python: str = sys.executable) -> Launcher:
    """Choose a user for the API and the workers that is neither root nor the owner of the engines' files.

    It is `nexent-app` if that user exists, else an unused id. It shares only the engines' group, which may connect to
    their sockets. Without root, the user stays the same.

    Args:
        state_dir: Where the engines' files are.
        python: The interpreter that the user has to be able to run.
    """
    engines = engine_account(state_dir / "postgres")
    if engines is None:
        return Launcher()
    account = _account(engines)
    folder = _objects(state_dir, account)
    program, problem = _program(account, engines, python, [folder])
    folder_problem = None
    if problem is not None and not account.can_access(folder):  # showing it needs a right that containers may lack
        folder_problem = problem
        program, problem = _program(account, engines, python, [])
    if problem is not None:
        return Launcher(problem=f"user {account.name} can't run {python}: {problem}")
    for package in _packages():  # that user may not write beside the sources
        compileall.compile_dir(package, quiet=2)
    return Launcher(account, program, folder_problem=folder_problem)


def _objects(state_dir: Path, account: SystemAccount) -> Path:
    """Create the folder for files of users, and make the account its owner."""
    folder = state_dir.absolute() / "objects"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    account.chown(folder)
    return folder


def _program(
    account: SystemAccount, engines: SystemAccount, python: str, folders: Sequence[Path]
) -> tuple[tuple[str, ...], str | None]:
    """Return what goes before a command so that it can write to `folders`, and what goes wrong with it."""
    plan = {
        "uid": account.uid,
        "gid": account.gid,
        "groups": [engines.gid],
        "visible": _visible(account, folders),
        "writable": [str(folder) for folder in folders],
    }
    program = (python, "-I", "-S", "-B", unprivileged.__file__, json.dumps(plan))
    return program, _try(program, python)


def _account(engines: SystemAccount) -> SystemAccount:
    ids = {entry.pw_uid: entry for entry in pwd.getpwall()}
    entry_of_app = next((entry for entry in ids.values() if entry.pw_name == _NAME and entry.pw_uid != 0), None)
    if entry_of_app is not None:
        return SystemAccount(entry_of_app.pw_name, entry_of_app.pw_uid, entry_of_app.pw_gid)
    free = next(number for number in _FREE_IDS if number not in ids and number != engines.uid)
    return SystemAccount(str(free), free, free)


def _packages() -> Sequence[Path]:
    root = Path(unprivileged.__file__).parents[2]
    return [root / name for name in _PACKAGES if (root / name).is_dir()]


def _visible(account: SystemAccount, folders: Sequence[Path]) -> dict[str, list[str]]:
    """Return the folders that are closed to the user, and what it needs below each."""
    visible: dict[str, list[str]] = {}
    needed = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.base_prefix).resolve(), *_packages(), *folders}
    for path in sorted(needed):
        closed = [folder for folder in path.parents if not account.can_enter(folder)]
        if closed:
            visible.setdefault(str(closed[-1]), []).append(str(path))
    return {
        folder: [path for path in paths if not any(other != path and path.startswith(f"{other}/") for other in paths)]
        for folder, paths in visible.items()
    }


def _try(program: Sequence[str], python: str) -> str | None:
    """Start an interpreter as that user; return the problem, if any."""
    check = [*program, python, "-c", "import ctypes, ssl, nexent_gql, workers"]
    try:
        process = subprocess.run(
            check, cwd="/", env=dict(os.environ), capture_output=True, text=True, timeout=_PROBE_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None if process.returncode == 0 else (process.stderr.strip().splitlines() or ["it ended at once"])[-1]
