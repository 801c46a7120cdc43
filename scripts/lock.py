"""Write `requirements/*.txt` from pyproject.toml: `.venv/bin/python scripts/lock.py [--upgrade]`, or `make lock`.

Each lock holds exact versions for every supported platform and Python, with hashes, and no address of any index: where
packages come from is each machine's own affair. Without `--upgrade`, versions that still fit stay as they are.
"""

import subprocess
import sys
from pathlib import Path

from pip_settings import uv_environment

ROOT = Path(__file__).resolve().parent.parent
UV = ROOT / ".venv" / "bin" / "uv"
COMPILE = (
    *("pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--generate-hashes", "--no-annotate"),
    *("--custom-compile-command", "make lock"),
)
EXTRAS = ("--extra", "embedded", "--extra", "local")
# `dev` comes first: the others are held to its versions.
LOCKS = {
    "installer": ("--group", "installer"),
    "dev": ("pyproject.toml", *EXTRAS, "--group", "build", "--group", "dev"),
    "up": ("pyproject.toml", *EXTRAS, "--group", "build", "--constraint", "requirements/dev.txt"),
    "runtime": ("pyproject.toml", "--constraint", "requirements/dev.txt"),
}


def main(options: list[str]) -> None:
    """Write every lock; `options` go to uv."""
    environment = uv_environment(sys.executable)
    for name, sources in LOCKS.items():
        target = ROOT / "requirements" / f"{name}.txt"
        command = [UV, *COMPILE, *options, *sources, "--output-file", target.relative_to(ROOT)]
        subprocess.run(command, cwd=ROOT, env=environment, check=True)
        packages = [line for line in target.read_text().splitlines() if line[0] not in "# "]
        print(f"{target.relative_to(ROOT)}: {len(packages)} packages")


if __name__ == "__main__":
    main(sys.argv[1:])
