"""State folders for tests of the embedded engines that are about something else than an empty folder."""

import atexit
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from nexent_gql.embedded import EngineSet
from nexent_gql.embedded.system_account import SystemAccount


def initialised_state(folder: Path) -> Path:
    """Return `folder/state` with an empty database in it, ready to start; 0.1 s, after the first call's second."""
    state = folder / "state"
    subprocess.run(["cp", "-a", _prepared(), state], check=True)  # noqa: S607 # owners must be kept
    return state


def run_as(account: SystemAccount | None, *command: str, cwd: Path | None = None) -> subprocess.Popen[bytes]:
    """Start a program as the engines' user; None is this process's own."""
    return subprocess.Popen(
        command,
        cwd=cwd,
        user=None if account is None else account.uid,
        group=None if account is None else account.gid,
        extra_groups=None if account is None else (),
    )


@cache
def _prepared() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="nexent-prepared-"))
    atexit.register(shutil.rmtree, folder)
    with EngineSet(folder / "state", durable=False) as engines:
        engines.start()
    return folder / "state"
