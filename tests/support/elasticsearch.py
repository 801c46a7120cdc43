"""A real Elasticsearch on loopback, where `make engines` has fetched one; all test processes of a run share it."""

import fcntl
import importlib.util
import json
import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Protocol, cast
from uuid import uuid4

import pytest
from pydantic import SecretStr

from nexent_gql.adapters.search_elasticsearch import ElasticsearchOptions

ROOT = Path(__file__).resolve().parents[2]
OPEN_PREFIX = "open-"
"""Indexes whose names begin with it need no password."""
_READY_S = 180.0


class _Engines(Protocol):
    """The parts of `scripts/engines.py` that are needed here."""

    def elasticsearch_home(self) -> Path: ...
    def java_home(self) -> Path | None: ...


@dataclass(frozen=True)
class ElasticsearchUnderTest:
    """A running node.

    Attributes:
        url: Its address.
        user: May do anything with indexes, and read the health of the cluster; so may anybody without a password, with
            indexes whose names begin with `OPEN_PREFIX`.
        password: Of the user.
    """

    url: str
    user: str
    password: str

    def options(self, prefix: str, *, has_password: bool = True) -> ElasticsearchOptions:
        """Return what the adapter needs."""
        options = ElasticsearchOptions(self.url, prefix, timeout_s=60)
        return replace(options, user=self.user, password=SecretStr(self.password)) if has_password else options

    def new_prefix(self, *, is_open: bool = False) -> str:
        """Return a beginning for the names of a test's own indexes."""
        return f"{OPEN_PREFIX if is_open else 'test-'}{uuid4().hex}"


def engine_paths() -> tuple[Path, Path]:
    """Return where Elasticsearch and a Java for it are; skip the test where one is missing."""
    spec = importlib.util.spec_from_file_location("engines", ROOT / "scripts" / "engines.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    engines = cast("_Engines", module)
    home, java = engines.elasticsearch_home(), engines.java_home()
    if not home.exists() or java is None:
        pytest.skip("Elasticsearch is not on this machine: run `make engines`, which needs Maven and Java 17 or newer")
    return home, java


@contextmanager
def running_elasticsearch(factory: pytest.TempPathFactory) -> Generator[ElasticsearchUnderTest]:
    """Use the node of this run; the first user starts it, and it ends with the last one, also when that is killed.

    It takes about 15 s of one processor to start, and 0.5 GB.
    """
    folder = factory.getbasetemp()
    with open_elasticsearch(folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) as node:
        yield node


@contextmanager
def open_elasticsearch(folder: Path) -> Generator[ElasticsearchUnderTest]:
    """Use the node of a folder, as `running_elasticsearch` does."""
    home, java = engine_paths()
    with (folder / "elasticsearch.users").open("w") as users:
        with (folder / "elasticsearch.start").open("w") as start:
            fcntl.flock(start, fcntl.LOCK_EX)
            fcntl.flock(users, fcntl.LOCK_SH)
            node = _read(folder) or _start(folder, home, java)
        yield node


def _start(folder: Path, home: Path, java: Path) -> ElasticsearchUnderTest:
    """Start the process that holds the node; it outlives this one while others use the node."""
    log = folder / "elasticsearch.log"
    words = [sys.executable, "-m", "tests.support.hold_elasticsearch", str(folder), str(home), str(java)]
    pid = os.posix_spawn(
        sys.executable,
        words,
        {**os.environ, "PYTHONPATH": str(ROOT)},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    deadline = time.monotonic() + _READY_S
    while (node := _read(folder)) is None:
        assert os.waitpid(pid, os.WNOHANG)[0] == 0, log.read_text()[-4_000:]
        assert time.monotonic() < deadline, log.read_text()[-4_000:]
        time.sleep(0.2)
    return node


def _read(folder: Path) -> ElasticsearchUnderTest | None:
    try:
        return ElasticsearchUnderTest(**json.loads((folder / "elasticsearch.json").read_text()))
    except FileNotFoundError:
        return None


def no_users_left(users: IO[str]) -> bool:
    """Whether no process holds the lock of users; new ones wait from then on, until this file is closed."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
