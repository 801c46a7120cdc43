"""Nobody sees another tenant: once by row-level security alone, once by the repositories alone."""

import asyncio
import random
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from nexent_gql.db.logins import APP_ROLE, SYSTEM_ROLE
from nexent_gql.db.pool import create_engine
from nexent_gql.db.rls import SYSTEM_TABLES
from nexent_gql.db.session import Database
from nexent_gql.domains.identity.tables import UserAccount
from nexent_gql.kernel.ids import new_id
from nexent_gql.migrations.logins import APP_LOGIN
from tests.support import isolation_queries, isolation_tables
from tests.support.engines import run_sql
from tests.support.factory import Factory
from tests.support.isolation_tables import bound
from tests.support.tenant_rows import TENANT_TABLES, Rows, dump, new_rows, tenant_column, write

ADA, EVE, NOBODY = new_id(), new_id(), new_id()
WEAKENED = {
    "switched off": "ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
    "open": "ALTER POLICY tenant ON {table} USING (true)",
    "open for reading": "CREATE POLICY t ON {table} FOR SELECT USING (true)",
    "open for writing": "ALTER POLICY tenant ON {table} WITH CHECK (true)",
    "open for whoever is bound to nobody": (
        "CREATE POLICY t ON {table} USING (nullif(current_setting('app.tenant_id', true), '') IS NULL)"
    ),
}


@pytest.fixture
async def adas(database: Database) -> Rows:
    """Write rows of two tenants to every table; return those of Ada."""
    rows = new_rows(ADA)
    for tenant_id, theirs in ((ADA, rows), (EVE, new_rows(EVE))):
        async with database.transaction(tenant_id) as session:
            await write(await session.connection(), theirs)
    return rows


async def leaks_of_tables(database: Database, *names: str) -> dict[str, list[str]]:
    """Return what Eve, and somebody bound to nobody, get at of Ada's; of all tables, or some."""
    leaks_by_table: dict[str, list[str]] = {}
    for table in TENANT_TABLES:
        if not names or table.name in names:
            new = new_rows(ADA)[table.name]
            for mine in (EVE, None):
                if leaks := await isolation_tables.leaks(database.engine, table, mine, ADA, new):
                    leaks_by_table.setdefault(table.name, []).extend(leaks)
    return leaks_by_table


async def leaks_of_queries(database: Database, repository: type, rows: Rows) -> list[str]:
    return await isolation_queries.leaks(database, repository, NOBODY, rows)


@pytest.mark.usefixtures("adas")
async def test_row_level_security_alone_keeps_every_table_apart(database: Database) -> None:
    assert len(TENANT_TABLES) > 10
    assert await leaks_of_tables(database) == {}


@pytest.mark.usefixtures("adas")
@pytest.mark.parametrize("change", WEAKENED.values(), ids=WEAKENED.keys())
async def test_a_weakened_policy_of_any_table_is_noticed(database: Database, owner_url: str, change: str) -> None:
    await run_sql(owner_url, *(change.format(table=table.name) for table in TENANT_TABLES))
    assert set(await leaks_of_tables(database)) == {table.name for table in TENANT_TABLES}


@pytest.mark.timeout(240)  # thousands of queries: every argument of every query of every repository
async def test_the_repositories_alone_keep_tenants_apart(database: Database, owner_url: str, adas: Rows) -> None:
    await run_sql(owner_url, *(WEAKENED["switched off"].format(table=table.name) for table in TENANT_TABLES))
    async with database.read(ADA) as session:
        before = await dump(await session.connection(), ADA)
    repositories = isolation_queries.repositories()
    assert len(repositories) >= 5
    for repository in repositories:
        assert await leaks_of_queries(database, repository, adas) == []
    async with database.read(ADA) as session:
        assert await dump(await session.connection(), ADA) == before


class ForgetfulRepository:
    """Its query has no predicate."""

    def __init__(self, session: AsyncSession, tenant_id: UUID) -> None:
        self.session = session
        self.tenant_id = tenant_id

    async def user(self, user_id: UUID) -> UserAccount | None:
        return await self.session.get(UserAccount, user_id)


async def test_a_query_that_forgets_the_tenant_is_noticed_unless_row_level_security_stops_it(
    database: Database, owner_url: str, adas: Rows
) -> None:
    assert await leaks_of_queries(database, ForgetfulRepository, adas) == []
    await run_sql(owner_url, WEAKENED["switched off"].format(table="user_account"))
    (leak,) = await leaks_of_queries(database, ForgetfulRepository, adas)
    assert leak.startswith("ForgetfulRepository.user(")


async def test_the_owner_of_the_tables_sees_nothing_without_taking_a_role(owner_url: str, adas: Rows) -> None:
    engine = create_async_engine(owner_url)
    async with engine.connect() as connection:
        owner = (await connection.execute(text("SELECT current_user"))).scalar_one()
        counts = [(await connection.execute(select(text("1")).select_from(table))).all() for table in TENANT_TABLES]
    await engine.dispose()
    assert owner not in (APP_ROLE, SYSTEM_ROLE)
    assert adas
    assert counts == [[]] * len(TENANT_TABLES)


async def test_system_work_can_not_reach_what_people_wrote(database: Database, adas: Rows) -> None:
    assert adas
    for table in TENANT_TABLES:
        async with database.system() as session:
            if "SELECT" in SYSTEM_TABLES.get(table.name, ()):
                assert len((await session.execute(select(table))).all()) == 2
            else:
                with pytest.raises(DBAPIError, match="permission denied"):
                    await session.execute(select(table))


_ESCAPES = (
    "SET ROLE postgres",
    "SET ROLE nexent",
    "SET ROLE nexent_system",
    "SET ROLE nexent_system_login",
    "SET LOCAL ROLE nexent_system",
    "SELECT set_config('role', 'nexent_system', true)",
    "SET SESSION AUTHORIZATION postgres",
    "SET SESSION AUTHORIZATION nexent",
    "GRANT nexent_system TO nexent_app_login",
    "ALTER ROLE nexent_app_login BYPASSRLS",
    "ALTER TABLE agent DISABLE ROW LEVEL SECURITY",
    "ALTER TABLE agent NO FORCE ROW LEVEL SECURITY",
    "ALTER TABLE agent OWNER TO nexent_app_login",
    "CREATE POLICY open ON message USING (true)",
    "ALTER POLICY tenant ON message USING (true)",
    "DROP POLICY tenant ON message",
    "CREATE TABLE mine (id integer)",
    "CREATE VIEW mine AS SELECT * FROM message",
    "CREATE FUNCTION mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "CREATE SCHEMA mine",
    "DROP TABLE message",
    "TRUNCATE message CASCADE",
    "SET session_replication_role = replica",
    "SELECT * FROM alembic_version",
    "SELECT * FROM sign_in_throttle",
)
_REFUSED = r"permission denied|must be (owner|superuser|able)|Only roles|must have|does not exist"


@pytest.mark.usefixtures("adas")
@pytest.mark.parametrize("statement", _ESCAPES)
@pytest.mark.parametrize("is_reset", [False, True])
async def test_no_statement_of_a_tenant_gets_around_row_level_security(
    database: Database, statement: str, *, is_reset: bool
) -> None:
    async with database.transaction(EVE) as session:
        if is_reset:
            await session.execute(text("RESET ROLE"))
        with pytest.raises(DBAPIError, match=_REFUSED):
            await session.execute(text(statement))
        await session.rollback()


@pytest.mark.usefixtures("adas")
async def test_giving_up_the_role_shows_nothing_more(database: Database) -> None:
    for statement in ("RESET ROLE", "SET ROLE NONE", "RESET SESSION AUTHORIZATION", "SET row_security = off"):
        for table in TENANT_TABLES:
            async with database.transaction(EVE) as session:
                await session.execute(text(statement))
                try:
                    rows = (await session.execute(select(table.c[tenant_column(table).name]))).scalars().all()
                except DBAPIError as error:
                    assert "permission denied" in str(error) or "row-level security" in str(error)  # noqa: PT017
                else:
                    assert set(rows) <= {EVE}


async def test_system_work_can_not_become_anybody_else_either(database: Database) -> None:
    for statement in ("SET ROLE nexent", "SET ROLE nexent_app", "SET ROLE postgres", "DROP TABLE job"):
        async with database.system() as session:
            await session.execute(text("RESET ROLE"))
            with pytest.raises(DBAPIError, match=r"permission denied|must be owner"):
                await session.execute(text(statement))
            await session.rollback()


async def test_reading_transactions_write_nothing(database: Database, make: Factory) -> None:
    ada = await make.principal()
    with pytest.raises(DBAPIError, match="read-only"):
        async with database.read(ada.tenant_id) as session:
            await session.execute(text("UPDATE user_account SET display_name = 'x'"))


class Traffic:
    """Tenants, system work, errors and cancelled transactions, all on few connections."""

    def __init__(self, database: Database, tenants: list[UUID]) -> None:
        self.database = database
        self.tenants = tenants
        self.chance = random.Random(20_261_122)  # noqa: S311 - to be repeated
        self.served = 0

    async def client(self) -> None:
        for _ in range(150):
            task = asyncio.create_task(self.system() if self.chance.random() < 0.1 else self.person())
            if self.chance.random() < 0.15:
                await asyncio.sleep(self.chance.random() * 0.004)
                task.cancel()
            await asyncio.wait([task])
            if not task.cancelled() and isinstance(error := task.exception(), AssertionError):
                raise error

    async def person(self) -> None:
        tenant_id, fate = self.chance.choice(self.tenants), self.chance.random()
        begin = self.database.read if fate < 0.5 else self.database.transaction
        async with begin(tenant_id) as session:
            tenant_ids = (await session.execute(text("SELECT tenant_id FROM user_account"))).scalars().all()
            assert tenant_ids == [tenant_id]
            self.served += 1
            if fate < 0.2:
                await session.execute(text("SELECT pg_sleep(0.002)"))
            elif fate > 0.9:
                await session.execute(text("SELECT 1 / 0"))

    async def system(self) -> None:
        async with self.database.system() as session:
            tenant_ids = (await session.execute(text("SELECT tenant_id FROM user_account"))).scalars().all()
            assert set(tenant_ids) == set(self.tenants)


async def test_a_connection_never_carries_a_tenant_over(
    database_url: str, system_database_url: str, make: Factory
) -> None:
    engine = create_engine(database_url, pool_size=2)
    system_engine = create_engine(system_database_url, role=SYSTEM_ROLE, pool_size=2)
    traffic = Traffic(Database(engine, system_engine), [(await make.principal()).tenant_id for _ in range(5)])
    await asyncio.gather(*(traffic.client() for _ in range(8)))
    for _ in range(4):
        async with bound(engine, None) as connection:
            query = "SELECT current_user, nullif(current_setting('app.tenant_id', true), '')"
            assert tuple((await connection.execute(text(query))).one()) == (APP_LOGIN, None)
            assert (await connection.execute(text("SELECT count(*) FROM user_account"))).scalar_one() == 0
    await engine.dispose()
    await system_engine.dispose()
    assert traffic.served > 500
