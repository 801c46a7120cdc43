"""Whatever is killed, nothing runs on, nothing that was acknowledged is lost, and the next start works."""

import asyncio
import os
import signal
import sys
from collections.abc import Generator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psutil
import pytest
from sqlalchemy import NullPool, text
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.ext.asyncio import create_async_engine

from nexent_gql.embedded import Engines, EngineSet
from nexent_gql.embedded.system_account import engine_account
from tests.support.engine_state import initialised_state, run_as
from tests.support.engines import fetch_column, redis_command, run_sql
from tests.support.processes import engine_pid, holding_engines, is_held, kill_tree, nothing_runs_on, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]  # a start takes half a minute where the disk is busy


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return initialised_state(tmp_path)


@pytest.fixture
def engines(state: Path) -> Generator[EngineSet]:
    with EngineSet(state) as engines:
        yield engines


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGINT, signal.SIGSEGV])
async def test_a_killed_postgres_is_noticed_and_comes_back_with_every_committed_row(
    engines: EngineSet, state: Path, signal_number: int
) -> None:
    url = engines.start().database_url
    await run_sql(url, "CREATE TABLE t (n int)")
    writer = asyncio.create_task(_insert_until_it_breaks(url))
    await asyncio.sleep(0.3)
    os.kill(engine_pid(state, "postgres"), signal_number)
    acknowledged = await writer
    await asyncio.to_thread(wait_for, lambda: engines.poll() == ["postgres"], "the loss is noticed")
    engines.restart("postgres")
    assert engines.poll() == []
    assert acknowledged > 0
    rows = await fetch_column(url, "SELECT n FROM t ORDER BY n")
    assert rows[:acknowledged] == list(range(acknowledged))
    assert len(rows) - acknowledged in {0, 1}  # the last row may be committed without word of it


async def test_a_killed_valkey_is_noticed_and_comes_back_with_every_key(engines: EngineSet, state: Path) -> None:
    url = engines.start().redis_url
    for number in range(100):
        await redis_command(url, "SET", f"k{number}", "v")
    os.kill(engine_pid(state, "valkey"), signal.SIGKILL)
    await asyncio.to_thread(wait_for, lambda: engines.poll() == ["valkey"], "the loss is noticed")
    engines.restart("valkey")
    assert engines.poll() == []
    assert await redis_command(url, "DBSIZE") == 100


async def test_a_killed_connection_process_does_not_end_the_server(engines: EngineSet) -> None:
    url = engines.start().database_url
    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.connect() as connection:
        pid = int((await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one())
        os.kill(pid, signal.SIGKILL)
        with pytest.raises((DBAPIError, InterfaceError)):
            await connection.execute(text("SELECT 1"))
        await connection.invalidate()
    for _ in range(100):
        try:
            assert await fetch_column(url, "SELECT 1") == [1]
        except (DBAPIError, OSError):
            await asyncio.sleep(0.05)  # it restarts its processes
        else:
            break
    assert await fetch_column(url, "SELECT 1") == [1]
    assert engines.poll() == []


@pytest.mark.parametrize("name", ["postgres", "valkey"])
async def test_a_killed_shim_takes_its_engine_along_and_both_come_back(
    engines: EngineSet, state: Path, name: str
) -> None:
    urls = engines.start()
    pid = engine_pid(state, name)
    os.kill(_parent_of(pid), signal.SIGKILL)
    await asyncio.to_thread(wait_for, lambda: engines.poll() == [name], "the loss is noticed")
    if sys.platform == "linux":  # elsewhere the restart ends the engine
        pid_file = state / "run" / f"{name}.pid"
        await asyncio.to_thread(wait_for, lambda: not is_held(pid_file), "the engine has ended too")
    engines.restart(name)
    assert engine_pid(state, name) != pid
    await _both_answer(urls)


async def test_engines_end_when_their_supervisor_is_killed(state: Path) -> None:
    with holding_engines(state) as holder:
        await run_sql(holder.said["database_url"], "CREATE TABLE t AS SELECT 7 AS n")
        holder.process.kill()
        await asyncio.to_thread(wait_for, lambda: nothing_runs_on(state), "the engines have ended", 5)
    with EngineSet(state) as engines:
        assert await fetch_column(engines.start().database_url, "SELECT n FROM t") == [7]
    assert "database system was not properly shut down" not in (state / "log" / "postgres.log").read_text()


def test_engines_end_when_their_supervisor_is_killed_and_a_fork_of_it_is_left(state: Path) -> None:
    with holding_engines(state, fork=True) as holder:
        assert "error" not in holder.said
        supervisor = psutil.Process(holder.process.pid)
        (fork,) = (child for child in supervisor.children() if child.cmdline() == supervisor.cmdline())
        try:
            supervisor.kill()
            pid_files = [state / "run" / f"{name}.pid" for name in ("postgres", "valkey")]
            wait_for(lambda: not any(map(is_held, pid_files)), "the engines have ended")
            assert fork.is_running()
        finally:
            fork.kill()
    with EngineSet(state) as engines:
        wait_for(lambda: not is_held(state / "lock"), "the fork has let go of the folder")
        engines.start()


async def test_all_killed_at_once_in_mid_write_lose_nothing_acknowledged(state: Path) -> None:
    with holding_engines(state) as holder:
        urls = Engines(**holder.said)
        await run_sql(urls.database_url, "CREATE TABLE t (n int)")
        await redis_command(urls.redis_url, "SET", "k", "v")
        writer = asyncio.create_task(_insert_until_it_breaks(urls.database_url))
        await asyncio.sleep(0.3)
        await asyncio.to_thread(kill_tree, holder.process.pid)
        acknowledged = await writer
    with EngineSet(state) as engines:
        urls = engines.start()
        assert acknowledged > 0
        rows = await fetch_column(urls.database_url, "SELECT n FROM t ORDER BY n")
        assert rows[:acknowledged] == list(range(acknowledged))
        assert await redis_command(urls.redis_url, "GET", "k") == "v"


async def test_a_start_right_after_a_kill_waits_for_what_still_stops(state: Path) -> None:
    for _ in range(3):
        with holding_engines(state) as holder:
            assert "error" not in holder.said
            holder.process.kill()
            holder.process.wait()
            with EngineSet(state) as engines:
                await _both_answer(engines.start())


async def test_orphans_of_a_frozen_shim_are_ended_by_the_next_start(state: Path) -> None:
    with holding_engines(state) as holder:
        assert "error" not in holder.said
        pids = [engine_pid(state, name) for name in ("postgres", "valkey")]
        shims = [_parent_of(pid) for pid in pids]
        for shim in shims:
            os.kill(shim, signal.SIGSTOP)
        holder.process.kill()
        holder.process.wait()
        try:
            with EngineSet(state) as engines:
                await _both_answer(engines.start())
                assert pids != [engine_pid(state, name) for name in ("postgres", "valkey")]
                assert [psutil.Process(pid).status() for pid in pids] == [psutil.STATUS_ZOMBIE] * 2
        finally:
            for shim in shims:
                os.kill(shim, signal.SIGCONT)


@pytest.mark.parametrize("kind", ["zombie", "living"])
async def test_a_pid_file_that_names_a_foreign_process_does_not_block(state: Path, kind: str) -> None:
    with holding_engines(state) as holder:
        folder = Path(parse_qs(urlsplit(holder.said["database_url"]).query)["host"][0])
        lines = (state / "postgres" / "postmaster.pid").read_text().split("\n")
        socket_lines = (folder / ".s.PGSQL.5432.lock").read_text().split("\n")
        kill_tree(holder.process.pid)
    foreign = run_as(engine_account(state / "postgres"), "sleep", "0" if kind == "zombie" else "60")
    (state / "postgres" / "postmaster.pid").write_text("\n".join([str(foreign.pid), *lines[1:]]))
    (folder / ".s.PGSQL.5432.lock").write_text("\n".join([str(foreign.pid), *socket_lines[1:]]))
    for name in ("postgres", "valkey"):
        (state / "run" / f"{name}.pid").write_text(str(foreign.pid))
    try:
        with EngineSet(state) as engines:
            await _both_answer(engines.start())
        assert foreign.returncode is None
        assert (foreign.poll() is None) == (kind == "living")
    finally:
        foreign.kill()
        foreign.wait()


async def test_a_start_that_was_killed_half_way_does_not_spoil_the_next(tmp_path: Path) -> None:
    state = tmp_path / "state"
    for wait_s in (0.1, 0.3, 0.6, 0.9, 1.2):
        with holding_engines(state) as holder:
            await asyncio.sleep(wait_s)
            holder.process.kill()
    with EngineSet(state) as engines:
        await _both_answer(engines.start())
    assert not (state / "postgres.new").exists()


def test_ctrl_c_in_the_terminal_reaches_only_the_supervisor(state: Path) -> None:
    with holding_engines(state) as holder:
        assert "error" not in holder.said
        os.killpg(holder.process.pid, signal.SIGINT)
        assert holder.say() == "[]"
        assert holder.process.wait(10) == 0
        assert nothing_runs_on(state)


async def _insert_until_it_breaks(url: str) -> int:
    """Commit one row after the other; return how many were acknowledged."""
    engine = create_async_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    rounds = 0
    try:
        async with engine.connect() as connection:
            while True:
                await connection.execute(text("INSERT INTO t VALUES (:n)"), {"n": rounds})
                rounds += 1
    except (DBAPIError, OSError):
        return rounds


async def _both_answer(urls: Engines) -> None:
    assert await fetch_column(urls.database_url, "SELECT 1") == [1]
    assert await redis_command(urls.redis_url, "PING") is True


def _parent_of(pid: int) -> int:
    return psutil.Process(pid).ppid()
