"""`NEXENT_TEST_REQUIRE=all` lets no test be skipped in silence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLAIN = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
SKIPS = {
    "in a test": "def test_it(): pytest.skip('no engine')",
    "by a mark": "@pytest.mark.skipif(True, reason='no engine')\ndef test_it(): pass",
    "in a fixture": "@pytest.fixture\ndef it(): pytest.skip('no engine')\ndef test_it(it): pass",
    "of a module": "pytest.skip('no engine', allow_module_level=True)",
}


def run(folder: Path, body: str, required: str) -> tuple[int, str]:
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_one.py").write_text(f"import pytest\n{body}\n")
    command = [sys.executable, "-m", "pytest", "-p", "tests.support.require", "-p", "no:cacheprovider", str(folder)]
    environment = {**os.environ, "NEXENT_TEST_REQUIRE": required, "PYTHONPATH": str(ROOT), **PLAIN}
    process = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return process.returncode, process.stdout


@pytest.mark.parametrize("body", SKIPS.values(), ids=SKIPS.keys())
def test_what_would_be_skipped_fails_and_says_why(tmp_path: Path, body: str) -> None:
    status, output = run(tmp_path, body, "all")
    assert status in (1, 2)
    assert "NEXENT_TEST_REQUIRE=all does not allow this" in output
    assert "no engine" in output


@pytest.mark.parametrize("body", SKIPS.values(), ids=SKIPS.keys())
def test_without_it_a_skip_is_a_skip(tmp_path: Path, body: str) -> None:
    status, output = run(tmp_path, body, "")
    assert status in (0, 5)
    assert "1 skipped" in output


def test_expected_failures_stay_expected(tmp_path: Path) -> None:
    status, output = run(tmp_path, "@pytest.mark.xfail\ndef test_it(): assert False", "all")
    assert (status, "1 xfailed" in output) == (0, True)


@pytest.mark.parametrize(("reason", "status"), [("MinIO was not built", 0), ("no MinIO", 1), ("Minio", 1)])
def test_what_a_machine_lacks_by_decision_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str, status: int
) -> None:
    monkeypatch.setenv("NEXENT_TEST_WITHOUT", "Elasticsearch, MinIO")
    assert run(tmp_path, f"def test_it(): pytest.skip({reason!r})", "all")[0] == status
