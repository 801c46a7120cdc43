"""The first minute as README.md has it: its lines are run as they stand, only port, folder and programs are others."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.installation import Installation, clean_environment, installed

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 50

Event = dict[str, object]


def shell_blocks(heading: str) -> list[str]:
    """Return the shell blocks of a section of the README."""
    section = (ROOT / "README.md").read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


def adapted(lines: str, installation: Installation) -> str:
    """Point documented lines at an installation."""
    for documented, actual in {
        "127.0.0.1:5010": f"127.0.0.1:{installation.port}",
        "nexent-gql token": f"nexent-gql token --state-dir '{installation.state_dir}'",
        ".venv/bin/": f"{Path(sys.executable).parent}/",
    }.items():
        assert documented in lines, documented
        lines = lines.replace(documented, actual)
    return lines


def assert_is_an_answer(events: list[Event]) -> None:
    texts = [str(event["text"]) for event in events if event["__typename"] == "TextDelta"]
    assert len(texts) > 1
    assert "391" in "".join(texts)
    assert [event["status"] for event in events if event["__typename"] == "RunFinished"] == ["SUCCEEDED"]
    assert events[-1]["__typename"] == "RunFinished"
    assert len({event["cursor"] for event in events}) == len(events)


@pytest.fixture(scope="module")
def first_minute(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What each block of the first minute prints, run one after the other in one shell, over a new installation."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    with installed(tmp_path_factory.mktemp("newcomer") / "state") as installation:
        return run_blocks(installation)


def run_blocks(installation: Installation) -> list[str]:
    script = "\necho ---next-block---\n".join(shell_blocks("The first minute"))
    process = subprocess.run(
        ["/bin/sh", "-eu", "-c", adapted(script, installation)],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert '"name":"Assistant"' in process.stderr
    return process.stdout.split("---next-block---\n")


def test_curl_streams_an_answer(first_minute: list[str]) -> None:
    frames = re.findall(r"^event: next\nid: .*\ndata: (.*)$", first_minute[0], re.MULTILINE)
    assert_is_an_answer([json.loads(frame)["data"]["runEvents"] for frame in frames])


def test_a_websocket_streams_the_same(first_minute: list[str]) -> None:
    assert_is_an_answer([json.loads(line) for line in first_minute[1].splitlines()])


def test_both_show_the_same_events(first_minute: list[str]) -> None:
    streamed, replayed = (re.findall(r'"cursor": ?"([^"]+)"', printed) for printed in first_minute)
    assert streamed == replayed
