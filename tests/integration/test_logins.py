"""The logins of run time: made by a migration, and refused when they could get around row-level security."""

import asyncio
import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import NullPool, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from nexent_gql import migrations
from nexent_gql.db.logins import APP_ROLE, UnsafeLoginError
from nexent_gql.db.pool import create_engine
from nexent_gql.db.session import Database
from nexent_gql.embedded import EngineSet
from nexent_gql.embedded.layout import Layout
from nexent_gql.kernel.ids import new_id
from nexent_gql.migrations.errors import RolesError
from nexent_gql.migrations.logins import APP_LOGIN, SYSTEM_LOGIN, RunTimeUrls
from nexent_gql.runtime import open_runtime
from nexent_gql.settings import Settings, SettingsError
from tests.support.databases import run_time_urls
from tests.support.engines import run_sql
from tests.support.installation import run_command

DANGERS = {
    "BYPASSRLS": ("ALTER ROLE {login} BYPASSRLS", "ALTER ROLE {login} NOBYPASSRLS", "has BYPASSRLS"),
    "SUPERUSER": ("ALTER ROLE {login} SUPERUSER", "ALTER ROLE {login} NOSUPERUSER", "is a superuser"),
    "CREATEROLE": ("ALTER ROLE {login} CREATEROLE", "ALTER ROLE {login} NOCREATEROLE", "has CREATEROLE"),
    "owner of a table": (
        "ALTER TABLE agent OWNER TO {login}",
        "ALTER TABLE agent OWNER TO nexent",
        "owns the tables or the database",
    ),
    "owner of the database": (
        "ALTER DATABASE nexent OWNER TO {login}",
        "ALTER DATABASE nexent OWNER TO nexent",
        "owns the tables or the database",
    ),
    "member of a superuser": (
        "GRANT postgres TO {login} WITH INHERIT FALSE, SET TRUE",
        "REVOKE postgres FROM {login}",
        "through the role postgres",
    ),
    "member of the other role": (
        "GRANT nexent_system TO {login} WITH INHERIT FALSE, SET TRUE",
        "REVOKE nexent_system FROM {login}",
        "can act as nexent_system",
    ),
    "member of nothing": (
        "REVOKE nexent_app FROM {login} GRANTED BY nexent",
        "GRANT nexent_app TO {login} WITH INHERIT TRUE, SET FALSE GRANTED BY nexent",
        "is not a member of nexent_app",
    ),
}


@dataclass(frozen=True)
class Cluster:
    """A migrated cluster; `admin_url` is the superuser's."""

    owner_url: str
    admin_url: str
    redis_url: str

    @property
    def urls(self) -> RunTimeUrls:
        return run_time_urls(self.owner_url)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "NEXENT_DATABASE_URL": self.urls.database_url,
            "NEXENT_SYSTEM_DATABASE_URL": self.urls.system_database_url,
            "NEXENT_REDIS_URL": self.redis_url,
            "NEXENT_SECRET_KEY": "k" * 40,
        }


@pytest.fixture(scope="module")
def cluster() -> Generator[Cluster]:
    with tempfile.TemporaryDirectory() as folder, EngineSet(Path(folder), durable=False) as engines:
        started = engines.start()
        password = Layout(Path(folder)).secrets().postgres_admin
        admin_url = make_url(started.database_url).set(username="postgres", password=password)
        asyncio.run(migrations.upgrade(started.database_url, logins=run_time_urls(started.database_url)))
        yield Cluster(started.database_url, admin_url.render_as_string(hide_password=False), started.redis_url)


async def ask(url: str, query: str) -> tuple[object, ...]:
    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.connect() as connection:
        return tuple((await connection.execute(text(query))).one())


async def test_many_processes_may_make_the_logins_at_once(cluster: Cluster) -> None:
    await run_sql(cluster.owner_url, f"DROP ROLE {APP_LOGIN}", f"DROP ROLE {SYSTEM_LOGIN}")
    await asyncio.gather(*(migrations.upgrade(cluster.owner_url, logins=cluster.urls) for _ in range(4)))
    for url, login in ((cluster.urls.database_url, APP_LOGIN), (cluster.urls.system_database_url, SYSTEM_LOGIN)):
        assert await ask(url, "SELECT session_user::text, current_user::text") == (login, login)


async def test_another_key_of_the_installation_gives_the_logins_other_passwords(cluster: Cluster) -> None:
    others = RunTimeUrls.derive(cluster.owner_url, SecretStr("another key of the installation, changed"))
    await migrations.upgrade(cluster.owner_url, logins=others)
    assert await ask(others.database_url, "SELECT 1") == (1,)
    with pytest.raises(DBAPIError, match="password authentication failed"):
        await ask(cluster.urls.database_url, "SELECT 1")
    await migrations.upgrade(cluster.owner_url, logins=cluster.urls)
    assert await ask(cluster.urls.database_url, "SELECT 1") == (1,)


async def test_the_owner_is_no_login_of_run_time(cluster: Cluster) -> None:
    owner_url, urls = cluster.owner_url, cluster.urls
    for wrong in (RunTimeUrls(owner_url, urls.system_database_url), RunTimeUrls(urls.database_url, owner_url)):
        with pytest.raises(RolesError, match="owns"):
            await migrations.upgrade(owner_url, logins=wrong)


async def test_one_login_can_not_serve_both_purposes(cluster: Cluster) -> None:
    url = cluster.urls.database_url
    with pytest.raises(RolesError, match=f"can act as {APP_ROLE}"):
        await migrations.upgrade(cluster.owner_url, logins=RunTimeUrls(url, url))
    assert await ask(url, "SELECT pg_has_role('nexent_system', 'MEMBER')") == (False,)


@pytest.mark.parametrize(("grant", "revoke", "reason"), DANGERS.values(), ids=DANGERS.keys())
async def test_a_login_with_dangerous_powers_is_not_used(
    cluster: Cluster, grant: str, revoke: str, reason: str
) -> None:
    engine = create_engine(cluster.urls.database_url)
    await run_sql(cluster.admin_url, grant.format(login=APP_LOGIN))
    try:
        with pytest.raises(UnsafeLoginError, match=reason):
            async with Database(engine).read(new_id()):
                pass
        settings = Settings(
            database_url=SecretStr(cluster.urls.database_url),
            system_database_url=SecretStr(cluster.urls.system_database_url),
            redis_url=SecretStr(cluster.redis_url),
            secret_key=SecretStr("k" * 40),
        )
        with pytest.raises(SettingsError, match=f"NEXENT_DATABASE_URL: .*{reason}"):
            async with open_runtime(settings):
                pass
    finally:
        await run_sql(cluster.admin_url, revoke.format(login=APP_LOGIN))
    async with Database(engine).read(new_id()):
        pass
    await engine.dispose()


async def test_a_system_login_that_sees_tenants_rows_is_not_used(cluster: Cluster) -> None:
    await run_sql(cluster.admin_url, f"ALTER ROLE {SYSTEM_LOGIN} BYPASSRLS")
    try:
        for program in (("serve", "--port", "0"), ("worker",)):
            ended = await asyncio.to_thread(run_command, *program, environment=cluster.environment)
            assert ended.returncode == 1
            assert "NEXENT_SYSTEM_DATABASE_URL" in ended.stderr
            assert "BYPASSRLS" in ended.stderr
            assert "Traceback" not in ended.stderr
    finally:
        await run_sql(cluster.admin_url, f"ALTER ROLE {SYSTEM_LOGIN} NOBYPASSRLS")


async def test_migrate_says_what_it_lacks(cluster: Cluster) -> None:
    ended = await asyncio.to_thread(run_command, "migrate", environment=cluster.environment)
    assert ended.returncode == 1
    assert "NEXENT_MIGRATION_DATABASE_URL" in ended.stderr
    environment = {**cluster.environment, "NEXENT_MIGRATION_DATABASE_URL": cluster.owner_url}
    ended = await asyncio.to_thread(run_command, "migrate", environment=environment)
    assert (ended.returncode, ended.stdout) == (0, f"the database is at level {migrations.head_level()}\n")
