"""What becomes of a unit of work when Postgres goes away under it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncSession

from nexent_gql.db import pool
from nexent_gql.db.binding import OPTION
from nexent_gql.db.session import Database, DatabaseUnavailableError
from nexent_gql.db.violations import MissingReferenceError
from nexent_gql.domains.agents.tables import Agent
from nexent_gql.domains.conversations.tables import Conversation
from tests.support.engines import run_sql
from tests.support.factory import Factory

pytestmark = pytest.mark.slow

PID = text("SELECT pg_backend_pid()")


def _never(entry: object) -> bool:
    del entry
    return False


@asynccontextmanager
async def broken(database: Database, database_url: str) -> AsyncGenerator[AsyncSession]:
    """Open a transaction whose connection Postgres ends."""
    async with database.read(uuid4()) as session:
        pid = (await session.execute(PID)).scalar_one()
        await run_sql(database_url, f"SELECT pg_terminate_backend({pid})")
        yield session


async def test_a_connection_that_ends_is_told_as_the_database_being_away(database: Database, database_url: str) -> None:
    with pytest.raises(DatabaseUnavailableError):
        async with broken(database, database_url) as session:
            await session.execute(PID)
    with pytest.raises(DatabaseUnavailableError):
        async with broken(database, database_url):
            pass
    async with database.read(uuid4()) as session:
        assert (await session.execute(text("SELECT 1"))).scalar_one() == 1


@pytest.mark.parametrize("is_seen", [True, False])
async def test_a_connection_that_ends_between_two_uses_is_replaced_unnoticed(
    database_url: str, monkeypatch: pytest.MonkeyPatch, *, is_seen: bool
) -> None:
    if not is_seen:  # as behind a firewall that forgot it
        monkeypatch.setattr(pool, "_PING_AFTER_S", 0.0)
        monkeypatch.setattr(pool, "_is_closed", _never)
    engine = pool.create_engine(database_url, pool_size=1)
    async with Database(engine).read(uuid4()) as session:
        pid = (await session.execute(PID)).scalar_one()
    await run_sql(database_url, f"SELECT pg_terminate_backend({pid}, 5000)")
    async with Database(engine).read(uuid4()) as session:
        assert (await session.execute(PID)).scalar_one() != pid
    await engine.dispose()


async def test_postgres_is_asked_after_an_idle_connection_alone(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = pool.create_engine(database_url, pool_size=1)
    pings: list[object] = []
    monkeypatch.setattr(engine.sync_engine.dialect, "do_ping", pings.append)
    for trusted_s, expected in ((60.0, 0), (0.0, 2), (60.0, 2)):
        monkeypatch.setattr(pool, "_PING_AFTER_S", trusted_s)
        for _ in range(2):
            async with Database(engine).read(uuid4()) as session:
                await session.execute(PID)
        assert len(pings) == expected
    await engine.dispose()


async def test_a_transaction_that_cannot_be_bound_harms_no_other(database_url: str) -> None:
    engine = pool.create_engine(database_url, pool_size=1)
    database = Database(engine)
    async with engine.connect() as connection:
        bound = await connection.execution_options(**{OPTION: "SET LOCAL ROLE nobody_knows;"})
        with pytest.raises(DBAPIError, match="nobody_knows"):
            await bound.execute(PID)
    for _ in range(2):
        async with database.read(uuid4()) as session:
            assert (await session.execute(text("SELECT 1"))).scalar_one() == 1
    await engine.dispose()


async def test_a_server_that_is_not_there_is_told_the_same() -> None:
    nobody = pool.create_engine("postgresql+asyncpg://nobody@127.0.0.1:1/none", pool_size=1)
    with pytest.raises(DatabaseUnavailableError):
        async with Database(nobody).system():
            pass


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4, "big") + body


async def test_a_server_that_shuts_down_right_after_a_login_is_told_the_same(database_url: str) -> None:
    greeting = _message(b"R", bytes(4)) + _message(b"S", b"server_version\x0018.0\x00") + _message(b"Z", b"I")
    shutdown = _message(b"E", b"SFATAL\x00VFATAL\x00C57P01\x00Mshutting down\x00\x00")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big") - 4)
        writer.write(greeting + shutdown)
        await reader.read()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]

        def go_there(_dialect: object, _entry: object, _arguments: object, parameters: dict[str, object]) -> None:
            parameters.update(host="127.0.0.1", port=port, ssl=False)

        engine = pool.create_engine(database_url)
        async with Database(engine).read(uuid4()):
            pass  # SQLAlchemy asks the first connection about the server
        await engine.dispose()
        event.listen(engine.sync_engine, "do_connect", go_there)
        with pytest.raises(DatabaseUnavailableError):
            async with Database(engine).read(uuid4()):
                pass
        await engine.dispose()


async def test_a_statement_that_takes_too_long_is_told_the_same(database_url: str) -> None:
    engine = pool.create_engine(database_url, pool_size=1, statement_timeout_s=0.05)
    with pytest.raises(DatabaseUnavailableError):
        async with Database(engine).read(uuid4()) as session:
            await session.execute(text("SELECT pg_sleep(5)"))
    await engine.dispose()


async def test_a_wrong_statement_stays_a_bug(database: Database) -> None:
    with pytest.raises(ProgrammingError):
        async with database.read(uuid4()) as session:
            await session.execute(text("SELECT nothing FROM nowhere"))
    with pytest.raises(IntegrityError):
        async with database.system() as session:
            await session.execute(text("INSERT INTO outbox (tenant_id, kind) VALUES (NULL, 'wake')"))


async def test_an_error_of_the_caller_passes_as_it_is(database: Database) -> None:
    with pytest.raises(KeyError):
        async with database.read(uuid4()):
            raise KeyError
    with pytest.raises(asyncio.CancelledError):
        async with database.read(uuid4()):
            raise asyncio.CancelledError


async def test_what_refers_to_nothing_is_told_by_its_field(database: Database, make: Factory) -> None:
    actor, missing = await make.principal(), uuid4()
    rows = {
        "modelId": Agent(tenant_id=actor.tenant_id, name="A", model_id=missing, created_by=actor.user_id),
        "routeId": Agent(tenant_id=actor.tenant_id, name="B", route_id=missing, created_by=actor.user_id),
        "agentId": Conversation(tenant_id=actor.tenant_id, owner_id=actor.user_id, agent_id=missing),
    }
    for field, row in rows.items():
        with pytest.raises(MissingReferenceError) as error:
            async with database.transaction(actor.tenant_id) as session:
                session.add(row)
        assert error.value.details == {"field": field}
