"""Migrations lead to the tables, policies and rights of the code, however many processes run them."""

import asyncio
from collections.abc import Generator, Mapping
from uuid import uuid4

import pytest
from sqlalchemy import NullPool, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from nexent_gql import migrations
from nexent_gql.db.logins import APP_ROLE, SYSTEM_ROLE
from nexent_gql.db.rls import UNPROTECTED, protection
from nexent_gql.embedded import Engines
from nexent_gql.migrations.catalogue import protections
from nexent_gql.migrations.errors import MigrationLockedError, RolesError, UnknownLevelError
from nexent_gql.tables import metadata
from tests.support.databases import Databases, run_time_urls
from tests.support.engines import drop_database, run_sql, running_engines, with_database

pytestmark = pytest.mark.slow

SHAPE = {
    "columns": """
        SELECT table_name, column_name, data_type, is_nullable, column_default, is_identity
          FROM information_schema.columns WHERE table_schema = 'public'
    """,
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
          FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    """,
    "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "policies": "SELECT tablename, policyname, permissive, roles, cmd, qual, with_check FROM pg_policies",
    "triggers": "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
    "functions": r"""
        SELECT proname, regexp_replace(prosrc, '\s+', ' ', 'g')
          FROM pg_proc JOIN pg_language ON prolang = pg_language.oid
         WHERE pronamespace = 'public'::regnamespace AND lanname = 'plpgsql'
    """,
    "rights": """
        SELECT relname, relrowsecurity, relforcerowsecurity,
               (SELECT array_agg(one::text ORDER BY one::text) FROM unnest(relacl) AS one)
          FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'm', 'S')
    """,
}
BYPASSES = """
    SELECT 'definer function ' || proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef
    UNION ALL
    SELECT 'view ' || relname FROM pg_class
     WHERE relnamespace = 'public'::regnamespace AND relkind IN ('v', 'm')
       AND NOT coalesce('security_invoker=true' = ANY (reloptions), false)
"""
ROLES = """
    SELECT rolname, rolcanlogin, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolinherit
      FROM pg_roles WHERE rolname IN ('nexent_app', 'nexent_system') ORDER BY rolname
"""


async def ask(url: str, query: str) -> list[tuple[object, ...]]:
    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.connect() as connection:
        return sorted((tuple(row) for row in (await connection.execute(text(query))).all()), key=repr)


async def shape(url: str) -> Mapping[str, list[tuple[object, ...]]]:
    """Return all that a database consists of, as Postgres itself tells it."""
    catalogue = {name: await ask(url, query) for name, query in SHAPE.items()}
    return {name: [row for row in rows if "alembic_version" not in str(row)] for name, rows in catalogue.items()}


@pytest.fixture
def empty(engines: Engines) -> Generator[str]:
    """An empty database."""
    name = f"empty_{uuid4().hex}"
    asyncio.run(run_sql(engines.database_url, f"CREATE DATABASE {name}"))
    url = with_database(engines.database_url, name)
    yield url
    asyncio.run(drop_database(engines.database_url, url))


async def test_lead_to_the_tables_of_the_code_and_back(empty: str) -> None:
    assert await migrations.current_level(empty) is None
    assert await migrations.upgrade(empty) == migrations.head_level()
    assert await migrations.current_level(empty) == migrations.head_level()
    assert await migrations.check(empty) == []
    await migrations.downgrade(empty)
    assert await migrations.current_level(empty) is None
    assert {name: rows for name, rows in (await shape(empty)).items() if rows} == {}
    assert await migrations.upgrade(empty) == migrations.head_level()


async def test_a_migrated_database_is_what_the_models_would_make(empty: str, databases: Databases) -> None:
    await migrations.upgrade(empty)
    modelled = databases.clone()
    assert await shape(empty) == await shape(modelled)
    databases.drop(modelled)


async def test_many_processes_may_migrate_one_database_at_once(empty: str) -> None:
    levels = await asyncio.gather(*(migrations.upgrade(empty) for _ in range(6)))
    assert set(levels) == {migrations.head_level()}
    assert await migrations.check(empty) == []


async def test_the_databases_of_a_new_cluster_may_be_migrated_at_once() -> None:
    names = [f"one_{number}" for number in range(6)]
    with running_engines() as engines:
        await run_sql(engines.database_url, *(f"CREATE DATABASE {name}" for name in names))
        urls = [with_database(engines.database_url, name) for name in names] * 2
        levels = await asyncio.gather(*(migrations.upgrade(url) for url in urls))
        assert set(levels) == {migrations.head_level()}
        assert [await migrations.check(url) for url in urls[:6]] == [[]] * 6


async def test_whoever_waits_too_long_for_the_lock_says_so(empty: str) -> None:
    engine = create_async_engine(empty, poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.execute(text("SELECT pg_advisory_lock(5121966141)"))
        with pytest.raises(MigrationLockedError, match="Another process"):
            await migrations.upgrade(empty, wait_s=0.3)
    assert await migrations.upgrade(empty) == migrations.head_level()


async def test_a_database_of_a_newer_version_is_left_alone(empty: str) -> None:
    await migrations.upgrade(empty)
    await run_sql(empty, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(UnknownLevelError, match="9999"):
        await migrations.upgrade(empty)
    with pytest.raises(UnknownLevelError, match="9999"):
        await migrations.check(empty)


async def test_a_database_that_is_behind_is_not_compared(empty: str) -> None:
    with pytest.raises(UnknownLevelError, match="migrate it first"):
        await migrations.check(empty)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE agent ADD COLUMN extra integer",
        "ALTER TABLE agent DROP COLUMN description",
        "ALTER TABLE agent ALTER COLUMN name DROP NOT NULL",
        "ALTER TABLE agent ALTER COLUMN max_steps TYPE bigint",
        "DROP INDEX ix_agent_page",
        "CREATE TABLE open_to_all (id integer)",
        "ALTER TABLE agent DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE agent NO FORCE ROW LEVEL SECURITY",
        "DROP POLICY tenant ON agent",
        "ALTER POLICY tenant ON agent USING (true)",
        "ALTER POLICY tenant ON agent TO PUBLIC",
        "ALTER POLICY tenant ON agent WITH CHECK (true)",
        "CREATE POLICY another ON agent USING (true)",
        "GRANT TRUNCATE ON agent TO nexent_app",
        "GRANT SELECT ON agent TO nexent_system",
        "GRANT SELECT ON agent TO PUBLIC",
        "REVOKE SELECT ON agent FROM nexent_app",
    ],
)
async def test_every_difference_is_found(empty: str, change: str) -> None:
    await migrations.upgrade(empty)
    await run_sql(empty, change)
    assert len(await migrations.check(empty)) == 1


async def test_the_catalogue_has_no_table_without_protection(empty: str) -> None:
    await migrations.upgrade(empty)
    engine = create_async_engine(empty, poolclass=NullPool)
    async with engine.connect() as connection:
        protection_by_table = dict(await connection.run_sync(protections))
    assert protection_by_table.pop("alembic_version") == UNPROTECTED
    assert protection_by_table == {table.name: protection(table) for table in metadata.sorted_tables}
    assert all(one.forced and one.policies for one in protection_by_table.values())
    assert await ask(empty, BYPASSES) == []


async def test_the_roles_have_no_powers_of_their_own(empty: str) -> None:
    await migrations.upgrade(empty)
    assert await ask(empty, ROLES) == [(role, *[False] * 6) for role in (APP_ROLE, SYSTEM_ROLE)]
    (owner,) = (await ask(empty, "SELECT tableowner::text FROM pg_tables WHERE schemaname = 'public' GROUP BY 1"))[0]
    assert owner not in (APP_ROLE, SYSTEM_ROLE)


@pytest.mark.parametrize("login", ["database_url", "system_database_url"])
@pytest.mark.parametrize("statement", ["CREATE TABLE mine (id integer)", "SELECT * FROM alembic_version"])
async def test_the_logins_can_neither_make_tables_nor_read_the_level(empty: str, login: str, statement: str) -> None:
    urls = run_time_urls(empty)
    await migrations.upgrade(empty, logins=urls)
    engine = create_async_engine(str(getattr(urls, login)), poolclass=NullPool)
    async with engine.connect() as connection:
        with pytest.raises(DBAPIError, match="permission denied"):
            await connection.execute(text(statement))


async def test_a_role_that_may_log_in_is_refused(empty: str) -> None:
    await migrations.upgrade(empty)
    await run_sql(empty, f"ALTER ROLE {APP_ROLE} LOGIN")
    try:
        with pytest.raises(RolesError, match=APP_ROLE):
            await migrations.upgrade(empty)
    finally:
        await run_sql(empty, f"ALTER ROLE {APP_ROLE} NOLOGIN")
    assert await migrations.upgrade(empty) == migrations.head_level()


async def test_a_table_that_is_in_use_does_not_hold_a_migration_for_ever(empty: str) -> None:
    await migrations.upgrade(empty)
    engine = create_async_engine(empty, poolclass=NullPool)
    async with engine.connect() as connection, asyncio.timeout(20):
        await connection.execute(text("LOCK TABLE run_archive IN ACCESS SHARE MODE"))
        with pytest.raises(MigrationLockedError, match="in use"):
            await migrations.downgrade(empty)
    await migrations.upgrade(empty)  # each step stands for itself: those before the one that failed are taken
    assert await migrations.check(empty) == []
