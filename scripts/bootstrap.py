"""Make `.venv` and fill it from a lock: `python3 scripts/bootstrap.py up|dev`; `make` is who calls it.

`up` installs what running the server from a checkout needs, `dev` adds the tools. Every package is pinned with its
hash and comes as a wheel; uv installs them, and where uv can't, pip does from the same lock. What the machine lacks is
said in one line. Standard library only, and readable by Python 3.6, which must get as far as being told its age.
"""

import os
import platform
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from time import time
from typing import Dict, List, NoReturn, Optional, Tuple

from pip_settings import uv_environment

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
UV = VENV / "bin" / "uv"
LOCKS = ROOT / "requirements"
OLDEST_PYTHON = (3, 11)
OLDEST_GLIBC = (2, 28)
MACHINES = {"x86_64", "aarch64", "arm64"}
WITHOUT_ENGINES = "to bring your own PostgreSQL and Redis, see `Without the embedded engines` in CONTRIBUTING.md"


def stop(reason: str) -> NoReturn:
    """End with one line on stderr and exit code 1."""
    sys.exit("make: " + reason + ".")


def say(what: str) -> None:
    """Print one line of progress."""
    print("make: " + what, flush=True)


def check_python() -> None:
    """Refuse an interpreter that is too old, or that can't make a virtual environment."""
    this = "Python " + platform.python_version() + " (" + sys.executable + ")"
    other = "make PYTHON=/path/to/python3"
    if sys.version_info < OLDEST_PYTHON:
        stop(this + " is too old: install Python 3.11 or newer, or name one: " + other)
    if find_spec("ensurepip") is None or find_spec("venv") is None:
        package = "python{}.{}-venv".format(*sys.version_info[:2])
        stop(this + " has no ensurepip: install it (Debian, Ubuntu: apt-get install " + package + "), or: " + other)


def glibc() -> Optional[Tuple[int, ...]]:
    """Return the version of glibc, or nothing where the system's C library is another one, such as musl."""
    try:
        name = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError):
        return None
    return tuple(int(part) for part in name.split()[-1].split(".")[:2]) if name.startswith("glibc") else None


def check_platform() -> None:
    """Refuse a platform for which the embedded engines have no wheel."""
    system, machine = platform.system(), platform.machine()
    if system not in {"Linux", "Darwin"}:
        stop("the embedded engines run on Linux and macOS, this is " + system + ": on Windows use WSL")
    if machine not in MACHINES:
        stop("the embedded engines exist for x86-64 and 64-bit ARM, this is " + machine + ": " + WITHOUT_ENGINES)
    if system == "Linux":
        version = glibc()
        if version is None or version < OLDEST_GLIBC:
            library = "musl or another C library" if version is None else "glibc {}.{}".format(*version)
            stop("the embedded engines need glibc 2.28 or newer, this system has " + library + ": " + WITHOUT_ENGINES)


def attempt(command: List[str], environment: Optional[Dict[str, str]] = None) -> Optional[str]:
    """Run `command` in silence; return nothing if it succeeded, else the end of what it said."""
    process = subprocess.run(
        command, cwd=str(ROOT), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    output_lines = process.stdout.decode(errors="replace").strip().splitlines()
    return None if process.returncode == 0 else "\n".join(output_lines[-12:]) or f"exit code {process.returncode}"


def venv_is_usable() -> bool:
    """Tell whether `.venv` runs, has pip, and was made at this path: its scripts hold the path they were made at."""
    code = f"import sys, pip; sys.exit(sys.version_info < {OLDEST_PYTHON!r})"
    if not PYTHON.exists() or attempt([str(PYTHON), "-c", code]) is not None:
        return False
    lines = (VENV / "pyvenv.cfg").read_text().splitlines()
    made_by = [line for line in lines if line.startswith("command = ")]
    return all(line.endswith(str(VENV)) for line in made_by)


def make_venv() -> None:
    """Make `.venv` afresh."""
    say("creating .venv with Python " + platform.python_version())
    problem = attempt([sys.executable, "-m", "venv", "--clear", str(VENV)])
    if problem:
        stop("could not create .venv\n" + problem)


def pip_install(*arguments: str) -> Optional[str]:
    """Install with pip; return what went wrong."""
    quiet = ["--quiet", "--no-input", "--disable-pip-version-check"]
    return attempt([str(PYTHON), "-m", "pip", "install", *quiet, *arguments])


def install(*arguments: str) -> None:
    """Install with uv or, where it is missing or fails, with pip."""
    if UV.exists():
        command = [str(UV), "pip", "install", "--quiet", "--python", str(PYTHON), *arguments]
        problem = attempt(command, {"UV_COMPILE_BYTECODE": "1", **uv_environment(str(PYTHON))})
        if problem is None:
            return
        say("uv could not do it, trying pip; uv said: " + problem.splitlines()[-1].strip())
    problem = pip_install(*arguments)
    if problem:
        stop(
            "the packages could not be installed; pip's settings apply (PIP_INDEX_URL, pip.conf). pip said:\n" + problem
        )


def install_lock(name: str) -> None:
    """Install exactly what a lock names, wheels only: nothing is compiled here."""
    install("--require-hashes", "--only-binary", ":all:", "--requirement", str(LOCKS / (name + ".txt")))


def install_uv() -> None:
    """Install uv from its own lock; without it, pip installs the rest."""
    lock = str(LOCKS / "installer.txt")
    problem = pip_install("--require-hashes", "--only-binary", ":all:", "--requirement", lock)
    if problem:
        say("uv is not to be had here, pip installs instead (slower)")


def compile_checkout() -> None:
    """Write bytecode, as installers do: where PYTHONDONTWRITEBYTECODE is set, each start would compile it all again."""
    attempt([str(PYTHON), "-m", "compileall", "-q", "nexent_gql", "workers"])


def main(profile: str) -> None:
    """Bring `.venv` to `profile`: "up" or "dev"."""
    began_at = time()
    check_python()
    check_platform()
    if not venv_is_usable():
        make_venv()
    say("installing the packages of requirements/" + profile + ".txt")
    install_uv()
    install_lock(profile)
    install("--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    compile_checkout()
    (VENV / ".checkout").write_text(str(ROOT) + "\n")
    say(f".venv is ready ({time() - began_at:.0f} s)")


if __name__ == "__main__":
    if sys.argv[1:] not in (["up"], ["dev"]):
        stop("usage: bootstrap.py up|dev")
    try:
        main(sys.argv[1])
    except KeyboardInterrupt:
        stop("interrupted; run it again to go on")
