"""What keeps an embedded engine from starting is said in one sentence that tells what to do."""

import asyncio
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from nexent_gql.embedded import AlreadyRunningError, EngineError, EngineSet, StateLock
from nexent_gql.embedded.address import free_port
from nexent_gql.embedded.binaries import Binaries, find_binaries, run_version
from nexent_gql.embedded.child import Child, Command
from nexent_gql.embedded.errors import PortTakenError
from nexent_gql.embedded.layout import Layout
from nexent_gql.embedded.pid_lock import pid_lock
from nexent_gql.embedded.system_account import engine_account
from tests.support.engine_state import initialised_state, run_as
from tests.support.engines import fetch_column
from tests.support.processes import HOLDER, ROOT, engine_pid, holding_engines, nothing_runs_on, wait_for
from tests.support.stopwatch import Stopwatch

pytestmark = pytest.mark.slow

_OLD_GLIBC = "postgres: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.28' not found (required by postgres)"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return initialised_state(tmp_path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Generator[Path]:
    """A disk of 20 MB; a fresh database needs twice that."""
    mount = tmp_path / "disk"
    mount.mkdir()
    finished_process = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "none", mount], check=False)  # noqa: S607
    if finished_process.returncode != 0:
        pytest.skip("this user may not mount a small disk")
    yield mount
    subprocess.run(["umount", mount], check=True)  # noqa: S607


@pytest.fixture
def listener() -> Generator[socket.socket]:
    """A foreign program that listens on a port."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server


def test_a_second_start_says_what_is_running(state: Path) -> None:
    with StateLock(state) as lock, EngineSet(state, durable=False, lock=lock) as engines:
        engines.start()
        facts: dict[str, object] = {"pid": os.getpid(), "url": "http://127.0.0.1:5010/graphql"}
        lock.describe(facts)
        with pytest.raises(AlreadyRunningError, match=r"pid \d+, url http://127.0.0.1:5010/graphql") as caught:
            EngineSet(state).start()
        assert caught.value.holder == facts
        assert engines.poll() == []
    with StateLock(state):
        pass


def test_a_second_start_from_another_process_is_refused_until_the_first_is_killed(state: Path) -> None:
    with holding_engines(state) as first:
        assert "error" not in first.said
        with holding_engines(state) as second:
            assert re.match(rf"Already running on .* \(pid {first.process.pid}\)", second.said["error"])
        first.process.kill()
        first.process.wait()
        with StateLock(state):
            pass


def test_a_set_does_not_free_the_lock_of_its_caller(state: Path) -> None:
    with StateLock(state) as lock:
        with EngineSet(state, durable=False, lock=lock) as engines:
            engines.start()
        assert lock.is_held
        with pytest.raises(AlreadyRunningError):
            StateLock(state).acquire()


def test_a_note_of_another_program_does_not_break_the_message(state: Path) -> None:
    with StateLock(state):
        (state / "lock").write_text('["half')
        with pytest.raises(AlreadyRunningError, match="no details yet") as caught:
            StateLock(state).acquire()
        assert caught.value.holder == {}


@pytest.mark.parametrize(
    ("place", "reason"), [("file", "File exists"), ("file/state", "Not a directory"), ("/proc/state", "No such file")]
)
def test_a_folder_that_cannot_be_made(tmp_path: Path, place: str, reason: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EngineError, match=rf"can't be used \({reason}.*choose another state folder"):
        EngineSet(tmp_path / place).start()


def test_a_full_disk_when_the_database_is_made(small_disk: Path) -> None:
    with pytest.raises(EngineError, match=rf"The disk of {small_disk}/state.* is full: free some space"):
        EngineSet(small_disk / "state").start()
    assert nothing_runs_on(small_disk / "state")


def test_a_disk_that_is_full_already(small_disk: Path) -> None:
    (small_disk / "filler").write_bytes(bytes(20 * 1024 * 1024 - 8192))
    with pytest.raises(EngineError, match=rf"The disk of {small_disk}/state.* is full: free some space"):
        EngineSet(small_disk / "state").start()


def test_a_data_folder_of_another_major_version(state: Path) -> None:
    (state / "postgres" / "PG_VERSION").write_text("16\n")
    with pytest.raises(EngineError, match=r"was written by PostgreSQL 16, but 18 is installed: dump it"):
        EngineSet(state).start()
    assert nothing_runs_on(state)


def test_a_server_that_somebody_started_by_hand(state: Path) -> None:
    account, data = engine_account(state / "postgres"), state / "postgres"
    program = str(find_binaries().program("postgres"))
    where = "/proc/self/cwd" if account else str(data)
    server = run_as(
        account, program, "-D", where, "-k", "", "-c", "listen_addresses=127.0.0.1", "-p", str(free_port()), cwd=data
    )
    try:
        wait_for((data / "postmaster.pid").exists, "the foreign server starts")
        with pytest.raises(EngineError, match=rf"Another PostgreSQL \(process {server.pid}\) runs on {data}: stop it"):
            EngineSet(state).start()
        assert server.poll() is None
    finally:
        server.send_signal(signal.SIGINT)
        assert server.wait() == 0
    with EngineSet(state) as engines:
        engines.start()


def test_passwords_that_are_damaged(state: Path) -> None:
    (state / "secrets.json").write_text("{")
    with pytest.raises(EngineError, match=r"secrets.json is damaged: restore it, or delete it"):
        EngineSet(state).start()


def test_queue_data_that_is_damaged(state: Path) -> None:
    with EngineSet(state) as engines:
        engines.start()
    manifest = state / "valkey" / "appendonlydir" / "appendonly.aof.manifest"
    manifest.write_text("garbage\n")
    with pytest.raises(EngineError, match=rf"Valkey can't read {state}/valkey.*so move that folder away"):
        EngineSet(state).start()
    (state / "valkey").rename(state / "away")
    with EngineSet(state) as engines:
        engines.start()


@pytest.mark.parametrize("position", [0, 1])
def test_a_port_that_is_taken_before_the_engine_listens_is_replaced(
    state: Path, listener: socket.socket, position: int
) -> None:
    ports = [free_port() for _ in range(4)]
    ports[position] = int(listener.getsockname()[1])
    with EngineSet(state, durable=False, tcp=True, choose_port=iter(ports).__next__) as engines:
        urls = engines.start()
        assert [urlsplit(urls.redis_url).port, urlsplit(urls.database_url).port] == ports[2:]
        assert asyncio.run(fetch_column(urls.database_url, "SELECT 1")) == [1]


def test_ports_that_are_always_taken(state: Path, listener: socket.socket) -> None:
    with pytest.raises(PortTakenError, match="another program took its port"):
        EngineSet(state, tcp=True, choose_port=lambda: int(listener.getsockname()[1])).start()
    assert nothing_runs_on(state)


def test_a_port_that_is_taken_while_its_engine_is_dead(state: Path) -> None:
    with EngineSet(state, tcp=True) as engines:
        url = engines.start().redis_url
        os.kill(engine_pid(state, "valkey"), signal.SIGKILL)
        wait_for(lambda: engines.poll() == ["valkey"], "the loss is noticed")
        with socket.create_server(("127.0.0.1", urlsplit(url).port or 0)):
            with pytest.raises(PortTakenError):
                engines.restart("valkey")
            assert engines.poll() == ["valkey"]
        engines.restart("valkey")
        assert engines.poll() == []


@pytest.fixture
def programs() -> Generator[Callable[[str, str], Binaries]]:
    """Build engines whose programs are shell scripts, in a folder that every user can enter."""
    with tempfile.TemporaryDirectory(prefix="nexent-programs-") as folder:
        root = Path(folder)
        root.chmod(0o755)

        def build(interpreter: str, script: str) -> Binaries:
            for name in ("bin/postgres", "bin/initdb", "valkey-server"):
                (root / name).parent.mkdir(exist_ok=True)
                (root / name).write_text(f"#!{interpreter}\n{script}\n")
                (root / name).chmod(0o755)
            return Binaries(postgres=root, valkey=root / "valkey-server")

        yield build


@pytest.mark.parametrize(
    ("interpreter", "script", "sentence"),
    [
        (
            "/bin/sh",
            f'echo "{_OLD_GLIBC.replace("`", "")}" >&2; exit 1',
            "needs glibc 2.28 or later, here is .*newer Linux",
        ),
        ("/no/such/loader", "", "was built for another C library than this system has: set NEXENT_DATABASE_URL"),
        ("/bin/sh", "kill -SEGV $$", "has ended: it printed nothing"),
        ("/bin/sh", "echo out of luck; exit 3", "has ended: out of luck"),
    ],
)
def test_programs_that_do_not_run_here(
    state: Path, programs: Callable[[str, str], Binaries], interpreter: str, script: str, sentence: str
) -> None:
    with pytest.raises(EngineError, match=f"(postgres|valkey-server) {sentence}"):
        EngineSet(state, binaries=programs(interpreter, script)).start()
    shutil.rmtree(state)
    with pytest.raises(EngineError, match=f"(initdb|valkey-server) {sentence}"):
        EngineSet(state, binaries=programs(interpreter, script)).start()
    assert nothing_runs_on(state)


def test_a_version_that_cannot_be_had(programs: Callable[[str, str], Binaries]) -> None:
    with pytest.raises(EngineError, match=r"needs glibc 2.28 or later"):
        run_version(programs("/bin/sh", f'echo "{_OLD_GLIBC.replace("`", "")}" >&2; exit 1').valkey)
    with pytest.raises(EngineError, match=r"can't be run here .*pip install 'nexent_gql\[embedded\]'"):
        run_version(Path("/no/such/program"))


def test_an_engine_that_never_gets_ready_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "state")
    layout.prepare()
    stops = ((signal.SIGTERM, 5.0),)
    script = "echo still thinking; exec sleep 60"
    child = Child(Command("slow", Path("/bin/sh"), ("-c", script), tmp_path, stops), layout, None)
    with pid_lock(layout.run / "slow.pid", stops) as lock_fd:
        child.start(lock_fd)
    with pytest.raises(EngineError, match=r"sh was not ready after 0 s, its log ends: still thinking"):
        child.wait_until(lambda: False, 0.4)
    child.stop()
    assert nothing_runs_on(layout.root)


def test_an_engine_that_ignores_the_polite_signal_is_killed(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "state")
    layout.prepare()
    stops = ((signal.SIGTERM, 0.2), (signal.SIGKILL, 5.0))
    script = "trap '' TERM; echo deaf; while :; do sleep 0.1; done"
    child = Child(Command("deaf", Path("/bin/sh"), ("-c", script), tmp_path, stops), layout, None)
    with pid_lock(layout.run / "deaf.pid", stops) as lock_fd:
        child.start(lock_fd)
    child.wait_until(lambda: "deaf" in child.log_tail(), 30)
    child.stop()
    wait_for(lambda: nothing_runs_on(layout.root), "it has ended", 30)


def test_a_stop_right_after_a_start_is_not_lost(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "state")
    layout.prepare()
    stops = ((signal.SIGTERM, 30.0),)
    watch = Stopwatch()
    for _ in range(5):
        child = Child(Command("short", Path("/bin/sleep"), ("60",), tmp_path, stops), layout, None)
        with pid_lock(layout.run / "short.pid", stops) as lock_fd:
            child.start(lock_fd)
        child.stop()
    assert watch.elapsed_s() < 25


def test_missing_wheels_are_named(tmp_path: Path) -> None:
    finished_process = subprocess.run(
        [sys.executable, "-S", HOLDER, tmp_path / "state"],  # without the environment's packages
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "pip install 'nexent_gql[embedded]'" in finished_process.stdout
    assert "set NEXENT_DATABASE_URL and NEXENT_REDIS_URL" in finished_process.stdout


def test_logs_are_kept_apart_and_do_not_grow_for_ever(state: Path) -> None:
    (state / "log" / "valkey.log").write_bytes(b"x" * 10_000_001)
    with EngineSet(state) as engines:
        engines.start()
    assert (state / "log" / "valkey.log.1").stat().st_size == 10_000_001
    assert "Ready to accept connections" in (state / "log" / "valkey.log").read_text()
    assert "database system is ready" in (state / "log" / "postgres.log").read_text()
    assert not (state / "log" / "postgres.log.1").exists()


def test_a_program_that_ends_well_between_two_looks_is_no_failure(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.prepare()
    child = Child(Command("ended", Path("/bin/true"), (), tmp_path, ()), layout, None)
    looks = iter([False, True])
    child.wait_until(lambda: next(looks), 1)
    assert next(looks, None) is None
