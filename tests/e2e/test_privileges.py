"""Root starts `up`; nothing that talks to strangers, or runs what they wrote, has root's rights."""

import os
import re
from collections.abc import Generator
from pathlib import Path

import psutil
import pytest

from nexent_gql.embedded import launcher
from nexent_gql.embedded.privileges import Launcher
from nexent_gql.embedded.system_account import SystemAccount
from tests.support.installation import Installation, installed
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")]

OURS = r"nexent_gql\.cli serve|-m workers"
CODE = r"monty subprocess"
ENGINES = r"bin/postgres -D|valkey-server unixsocket"


def status(process: psutil.Process) -> dict[str, str]:
    """Return what the kernel says of a process."""
    folder = Path(f"/proc/{process.pid}")
    facts = [line.partition(":") for line in (folder / "status").read_text().splitlines()]
    limits = [re.split(r"\s{2,}", line, maxsplit=1) for line in (folder / "limits").read_text().splitlines()]
    return {name: value.strip() for name, _, value in facts} | {limit[0]: limit[1] for limit in limits}


def owner_of_environment(process: psutil.Process) -> int:
    """Return who may read a process's environment and memory, next to itself."""
    return Path(f"/proc/{process.pid}/environ").stat().st_uid


@pytest.fixture
def unused_installation(tmp_path: Path) -> Generator[Installation]:
    """Start an installation whose sandboxes nobody has used: a used one has no idle process."""
    with installed(tmp_path / "state", workers=2) as installation:
        yield installation


async def test_root_gives_up_its_rights(unused_installation: Installation) -> None:
    installation = unused_installation
    await eventually(lambda: len(installation.processes(CODE)) >= installation.workers, within_s=20)
    ours, code, engines = (installation.processes(words) for words in (OURS, CODE, ENGINES))
    assert len(ours) == 1 + installation.workers
    users = {process.uids().effective for process in (*ours, *code)}
    assert len(users) == 1
    assert not users & {0, *(process.uids().effective for process in engines)}
    for process in (*ours, *code):
        facts = status(process)
        assert (facts["CapPrm"], facts["CapEff"], facts["NoNewPrivs"]) == ("0" * 16, "0" * 16, "1")
        assert facts["Max core file size"].split()[:2] == ["0", "0"]
    for process in ours:  # keys are in the memory and the environment, and code of others has the same user
        assert owner_of_environment(process) == 0


def test_a_program_that_the_user_cannot_run_stays_roots(tmp_path: Path) -> None:
    command = launcher(tmp_path, python=str(tmp_path / "python"))
    assert command.account is None
    assert "can't run" in str(command.problem)
    assert command.wrap(["a", "b"]) == ["a", "b"]


def test_commands_are_wrapped() -> None:
    command = Launcher(SystemAccount("app", 7, 7), ("python", "unprivileged.py", "{}"))
    assert command.wrap(["a"]) == ["python", "unprivileged.py", "{}", "a"]
