"""Embedded engines start, keep their data and leave nothing behind, wherever the folder is and whoever runs them."""

import asyncio
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import pytest
from redis.exceptions import AuthenticationError
from sqlalchemy.exc import DBAPIError

from nexent_gql.embedded import EngineSet, engine_versions
from nexent_gql.embedded.binaries import find_binaries
from nexent_gql.embedded.program_access import accessible_binaries
from nexent_gql.embedded.system_account import SystemAccount, engine_account
from tests.support.engine_state import initialised_state
from tests.support.engines import clone_database, drop_database, fetch_column, redis_command, run_sql, with_database
from tests.support.processes import holding_engines, nothing_runs_on, wait_for

pytestmark = pytest.mark.slow

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
_RIGHTS = """SELECT ARRAY[rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication]
    FROM pg_roles WHERE rolname = current_user"""
_DURABILITY = """SELECT setting FROM pg_settings
    WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes')"""
_PYTHONS = ("/usr/bin/python3", "/usr/local/bin/python3", "/usr/bin/python3.11")


@pytest.fixture
def open_folder() -> Generator[Path]:
    """A folder with a short path that every user can enter."""
    with tempfile.TemporaryDirectory(prefix="nexent-open-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


async def test_an_empty_folder_becomes_two_working_engines(tmp_path: Path) -> None:
    messages: list[str] = []
    with EngineSet(tmp_path / "new" / "state") as engines:
        urls = engines.start(messages.append)
        await run_sql(urls.database_url, "CREATE TABLE t (v vector(2))", "INSERT INTO t VALUES ('[3,4]')")
        assert await fetch_column(urls.database_url, "SELECT v <-> '[0,0]' FROM t") == [5.0]
        assert await redis_command(urls.redis_url, "PING") is True
        assert engines.poll() == []
    assert messages == ["starting Valkey", "creating the database"]
    assert nothing_runs_on(tmp_path / "new" / "state")


async def test_the_login_owns_its_database_and_is_bound_by_row_level_security(tmp_path: Path) -> None:
    with EngineSet(initialised_state(tmp_path), durable=False) as engines:
        url = engines.start().database_url
        await run_sql(
            url,
            "CREATE TABLE t (tenant int)",
            "INSERT INTO t VALUES (1), (2)",
            "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
            "ALTER TABLE t FORCE ROW LEVEL SECURITY",
            "CREATE POLICY own ON t USING (tenant = 1)",
            "CREATE ROLE another",
        )
        assert await fetch_column(url, "SELECT tenant FROM t") == [1]
        assert await fetch_column(url, _RIGHTS) == [[False, False, True, True, False]]
        with pytest.raises(DBAPIError, match="permission denied"):
            await run_sql(url, "COPY t FROM PROGRAM 'true'")


async def test_passwords_are_asked_for(tmp_path: Path) -> None:
    with EngineSet(initialised_state(tmp_path), durable=False, tcp=True) as engines:
        urls = engines.start()
        secret = urlsplit(urls.database_url).password or ""
        with pytest.raises(DBAPIError, match="password authentication failed"):
            await fetch_column(urls.database_url.replace(secret, "guess"), "SELECT 1")
        with pytest.raises(DBAPIError, match="password authentication failed"):
            await fetch_column(urls.database_url.replace("nexent:", "postgres:"), "SELECT 1")
        with pytest.raises(AuthenticationError, match="Authentication required"):
            await redis_command(f"redis://127.0.0.1:{urlsplit(urls.redis_url).port}", "PING")


async def test_a_second_start_has_the_data_of_the_first(tmp_path: Path) -> None:
    state = initialised_state(tmp_path)
    with EngineSet(state) as engines:
        urls = engines.start()
        await run_sql(urls.database_url, "CREATE TABLE t AS SELECT 7 AS n")
        await redis_command(urls.redis_url, "SET", "k", "v")
    messages: list[str] = []
    with EngineSet(state) as engines:
        again = engines.start(messages.append)
        assert again == urls
        assert await fetch_column(again.database_url, "SELECT n FROM t") == [7]
        assert await redis_command(again.redis_url, "GET", "k") == "v"
    assert messages == ["starting Valkey", "starting PostgreSQL"]


@pytest.mark.parametrize(("durable", "postgres", "valkey"), [(True, "on", "yes"), (False, "off", "no")])
async def test_only_tests_do_without_durability(tmp_path: Path, *, durable: bool, postgres: str, valkey: str) -> None:
    with EngineSet(initialised_state(tmp_path), durable=durable) as engines:
        urls = engines.start()
        assert await fetch_column(urls.database_url, _DURABILITY) == [postgres] * 3
        settings = {"appendonly": valkey, "appendfsync": "everysec", "maxmemory-policy": "noeviction"}
        assert await redis_command(urls.redis_url, "CONFIG GET", *settings) == settings


async def test_cloned_databases_are_apart_and_have_vectors(tmp_path: Path) -> None:
    with EngineSet(initialised_state(tmp_path), durable=False) as engines:
        url = engines.start().database_url
        await run_sql(url, "CREATE DATABASE template")
        await run_sql(with_database(url, "template"), "CREATE TABLE t (v vector(1))")
        one, two = await clone_database(url, "template"), await clone_database(url, "template")
        await run_sql(one, "INSERT INTO t VALUES ('[1]')")
        assert [await fetch_column(copy, "SELECT count(*) FROM t") for copy in (one, two)] == [[1], [0]]
        await drop_database(url, one)
        assert await fetch_column(url, "SELECT count(*) FROM pg_database WHERE datname LIKE 't\\_%%'") == [1]


async def test_tcp_listens_on_the_loopback_alone(tmp_path: Path) -> None:
    with EngineSet(initialised_state(tmp_path), durable=False, tcp=True) as engines:
        urls = engines.start()
        assert (urlsplit(urls.database_url).hostname, urlsplit(urls.redis_url).hostname) == ("127.0.0.1",) * 2
        assert await fetch_column(urls.database_url, "SHOW listen_addresses") == ["127.0.0.1"]
        assert await redis_command(urls.redis_url, "CONFIG GET", "bind") == {"bind": "127.0.0.1"}


def test_a_long_and_strange_path_gets_sockets_elsewhere_which_are_removed(tmp_path: Path) -> None:
    state = initialised_state(tmp_path)
    strange = tmp_path / ("x" * 90) / "a b%20ü"
    strange.parent.mkdir()
    state.rename(strange)
    with EngineSet(strange, durable=False) as engines:
        url = engines.start().database_url
        assert asyncio.run(fetch_column(url, "SELECT 1")) == [1]
        folder = Path(parse_qs(urlsplit(url).query)["host"][0])
        assert stat.S_IMODE(folder.stat().st_mode) == (0o710 if os.geteuid() == 0 else 0o700)
        assert strange not in folder.parents
    assert not folder.exists()


def test_private_things_are_private(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with EngineSet(state, durable=False) as engines:
        engines.start()
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (state, *state.iterdir())}
    folders = {"state": 0o700, "run": 0o700, "log": 0o700, "postgres": 0o700, "valkey": 0o700}
    assert modes == {**folders, "secrets.json": 0o600, "lock": 0o600}


async def test_lost_passwords_are_replaced_and_the_data_stays(tmp_path: Path) -> None:
    state = initialised_state(tmp_path)
    with EngineSet(state) as engines:
        await run_sql(engines.start().database_url, "CREATE TABLE t AS SELECT 7 AS n")
    (state / "secrets.json").unlink()
    with EngineSet(state) as engines:
        assert await fetch_column(engines.start().database_url, "SELECT n FROM t") == [7]


async def test_two_sets_run_side_by_side(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    with (
        EngineSet(initialised_state(tmp_path / "a"), durable=False) as one,
        EngineSet(initialised_state(tmp_path / "b"), durable=False, tcp=True) as two,
    ):
        urls = (one.start().database_url, two.start().database_url)
        assert [await fetch_column(url, "SELECT 1") for url in urls] == [[1], [1]]


async def test_engines_outlive_the_thread_that_started_them(tmp_path: Path) -> None:
    with EngineSet(initialised_state(tmp_path), durable=False) as engines:
        thread = Thread(target=engines.start)
        thread.start()
        thread.join()
        with pytest.raises(AssertionError, match="not within"):
            wait_for(lambda: engines.poll() != [], "an engine has ended", timeout_s=1)


@needs_root
def test_root_runs_programs_and_data_that_the_engines_user_cannot_come_to(tmp_path: Path, open_folder: Path) -> None:
    state, account, binaries = initialised_state(tmp_path), engine_account(tmp_path), find_binaries()
    assert account is not None
    closed = tmp_path / "environment"
    closed.mkdir(mode=0o700)
    package = binaries.postgres.parent
    for source in (package, package.with_name(f"{package.name}.libs"), binaries.valkey):
        subprocess.run(["cp", "-a", source, closed], check=True)  # noqa: S607
    unreachable = type(binaries)(
        postgres=closed / package.name / binaries.postgres.name, valkey=closed / binaries.valkey.name
    )
    assert not account.can_access(unreachable.valkey)
    assert not account.can_access(state)
    copy = accessible_binaries(unreachable, account, (open_folder / "programs",))
    assert accessible_binaries(unreachable, account, (open_folder / "programs",)) == copy
    shutil.rmtree(closed)
    with EngineSet(state, durable=False, binaries=copy) as engines:
        assert asyncio.run(fetch_column(engines.start().database_url, "SELECT 1")) == [1]
        fresh = EngineSet(tmp_path / "fresh", durable=False, binaries=copy)
        with fresh:
            assert asyncio.run(fetch_column(fresh.start().database_url, "SELECT 1")) == [1]
    assert {path.owner() for path in (open_folder / "programs").iterdir()} == {"root"}


@needs_root
async def test_an_ordinary_user_runs_everything_as_that_user(open_folder: Path) -> None:
    home = open_folder / "home"
    home.mkdir(mode=0o700)
    shutil.chown(home, "nobody")
    with holding_engines(home / "state", python=_python_of_everybody(), user="nobody") as holder:
        assert holder.said.get("error") is None
        assert await fetch_column(holder.said["database_url"], "SELECT 1") == [1]
        owners = {path.owner() for path in (home / "state", *(home / "state").iterdir())}
        assert owners == {"nobody"}
        holder.process.terminate()
    wait_for(lambda: nothing_runs_on(home / "state"), "all have ended")


@needs_root
def test_an_ordinary_user_is_told_which_folder_cannot_be_written(open_folder: Path) -> None:
    with holding_engines(open_folder / "state", python=_python_of_everybody(), user="nobody") as holder:
        assert holder.said == {
            "error": f"{open_folder / 'state'} can't be used (Permission denied): "
            "repair it or its permissions, or choose another state folder."
        }


def test_versions_are_those_of_the_programs() -> None:
    versions = engine_versions()
    assert versions["postgres"].startswith("18.")
    assert set(versions) == {"postgres", "valkey"}
    assert all(part.isdigit() for part in versions["valkey"].split("."))


def _python_of_everybody() -> str:
    """Find an interpreter that an ordinary user can run; this one may lie in root's home."""
    nobody = pwd.getpwnam("nobody")
    account = SystemAccount("nobody", nobody.pw_uid, nobody.pw_gid)
    check = "import sys; sys.exit(sys.version_info < (3, 11))"
    for python in (sys.executable, *_PYTHONS):
        reachable = Path(python).exists() and account.can_access(Path(python))
        if reachable and subprocess.run([python, "-I", "-c", check], check=False).returncode == 0:
            return python
    pytest.skip("no Python >= 3.11 that an ordinary user may run")
