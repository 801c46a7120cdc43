"""Which subjects of commits pass."""

import importlib.util
from pathlib import Path
from typing import Protocol, cast

import pytest

_PATH = Path(__file__).resolve().parents[2] / "scripts" / "commit_subjects.py"


class Script(Protocol):
    def problems(self, subject: str) -> list[str]: ...


@pytest.fixture(scope="module")
def script() -> Script:
    spec = importlib.util.spec_from_file_location("commit_subjects", _PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return cast("Script", module)


@pytest.mark.parametrize(
    "subject",
    ["Wake a job once per attempt", "Process an upload in parts", "Speed up paging", "Bring back the reaper"],
)
def test_imperatives_pass(script: Script, subject: str) -> None:
    assert not script.problems(subject)


@pytest.mark.parametrize(
    "subject",
    [
        "Adding a table",
        "Added a table",
        "Adds a table",
        "The relay purges a batch",
        "Add a table.",
        "add a table",
        "Add " + "x" * 72,
    ],
)
def test_others_are_refused(script: Script, subject: str) -> None:
    assert script.problems(subject)
