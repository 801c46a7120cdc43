"""Run tests against the lowest versions that pyproject.toml allows: `.venv/bin/python scripts/lowest.py tests/unit`.

Direct dependencies have their lowest versions, what they depend on has its newest ones. The virtual environment is
`.venv/lowest`; packages come from uv's cache where it has them. Arguments go to pytest.
"""

import os
import subprocess
import sys
from pathlib import Path

from pip_settings import uv_environment

ROOT = Path(__file__).resolve().parent.parent
UV = ROOT / ".venv" / "bin" / "uv"
VENV = ROOT / ".venv" / "lowest"
LOCK = VENV / "lowest.txt"
COMPILE = ("pip", "compile", "--quiet", "--resolution", "lowest-direct", "--no-annotate", "--no-header")
SOURCES = ("pyproject.toml", "--extra", "embedded", "--group", "build", "--group", "test")


def main(arguments: list[str]) -> None:
    """Resolve, install and run pytest."""
    environment = uv_environment(sys.executable)

    def uv(*command: str | Path) -> None:
        subprocess.run([UV, *command], cwd=ROOT, env=environment, check=True)

    if not VENV.exists():
        uv("venv", "--quiet", "--seed", "--python", sys.executable, VENV)
    uv(*COMPILE, *SOURCES, "--python", VENV, "--output-file", LOCK)
    uv("pip", "sync", "--quiet", "--only-binary", ":all:", "--python", VENV, LOCK)
    os.chdir(ROOT)
    python = VENV / "bin" / "python"
    os.execv(python, [str(python), "-m", "pytest", *arguments])  # noqa: S606 - no shell


if __name__ == "__main__":
    main(sys.argv[1:])
