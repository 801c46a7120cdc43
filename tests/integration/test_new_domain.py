"""The scaffold of a domain, in a clone of this repository."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
REGISTERED = {"nexent_gql/tables.py", "nexent_gql/services.py", "nexent_gql/api/schema/build.py", "pyproject.toml"}
GENERATED = {"schema.graphql", "schema.introspection.json", "docs/schema.md", "docs/errors.md"}


def run(folder: Path, *command: str) -> str:
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHONPATH": str(folder), "HOME": str(folder)}
    process = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Copy the files that git tracks or would track, as they are now, to a repository of their own."""
    listing = run(ROOT, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, listing.split("\0")):
        source, target = ROOT / name, tmp_path / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    run(tmp_path, "git", "init", "--quiet")
    run(tmp_path, "git", "add", "--all")
    run(tmp_path, "git", "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "--quiet", "-m", "Start")
    return tmp_path


def test_a_new_domain_works_and_is_small(clone: Path) -> None:
    run(clone, sys.executable, "scripts/new_domain.py", "notes")
    run(clone, sys.executable, "-m", "ruff", "check", "--quiet", ".")
    run(clone, sys.executable, "-m", "ruff", "format", "--quiet", "--check", ".")
    run(clone, sys.executable, "-m", "importlinter.cli", "lint", "--no-cache")
    run(clone, sys.executable, "-m", "nexent_gql.cli", "migrate", "--check")
    run(clone, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/integration/test_notes.py")

    run(clone, "git", "add", "--all")
    changes = [line.split("\t") for line in run(clone, "git", "diff", "--cached", "--numstat").splitlines()]
    written = {
        name: int(added) for added, _, name in changes if not name.startswith("tests/") and name not in GENERATED
    }
    migrations = {name for name in written if name.startswith("nexent_gql/migrations/")}
    counted = {name: lines for name, lines in written.items() if name not in migrations}
    assert counted.keys() >= REGISTERED
    assert len(migrations) == 1
    assert len(counted) <= 12
    assert sum(counted.values()) <= 220
