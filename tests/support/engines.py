"""Real engines for tests: one PostgreSQL and one Valkey for a session, one cloned database for a test."""

import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, cast
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import parse_url
from sqlalchemy import NullPool
from sqlalchemy.ext.asyncio import create_async_engine

from nexent_gql.embedded import Engines, EngineSet


class _Client(Protocol):
    """The one method of the client that is needed here, with types."""

    async def execute_command(self, *words: str) -> object: ...


@contextmanager
def running_engines() -> Generator[Engines]:
    """Run both engines over a temporary state folder, without durability; for a session-scoped fixture.

    Takes about a second to start. Nothing of it is left afterwards, also when the tests are killed,
    except the temporary folder in that last case.
    """
    folder = Path(tempfile.mkdtemp(prefix="nexent-test-"))
    engines = EngineSet(folder, durable=False)
    try:
        yield engines.start()
    finally:
        engines.stop()
        shutil.rmtree(folder)


def database_name(url: str) -> str:
    """Return the name of the database that a URL points to."""
    return urlsplit(url).path.lstrip("/")


def with_database(url: str, name: str) -> str:
    """Return a URL of the same server and login that points to another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


async def run_sql(url: str, *statements: str) -> None:
    """Run statements one by one, each in its own transaction, on a connection of their own.

    Args:
        url: Of a database, in the SQLAlchemy spelling `postgresql+asyncpg://...`.
        statements: Trusted SQL.
    """
    engine = create_async_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        for statement in statements:
            await connection.exec_driver_sql(statement)


async def fetch_column(url: str, query: str) -> list[object]:
    """Return the first column of a query's rows, on a connection of its own."""
    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.connect() as connection:
        return list((await connection.exec_driver_sql(query)).scalars())


async def redis_command(url: str, *words: str) -> object:
    """Run one command on a connection of its own; text comes back as `str`."""
    pool = ConnectionPool(**parse_url(url), decode_responses=True)
    try:
        return await cast("_Client", Redis(connection_pool=pool)).execute_command(*words)
    finally:
        await pool.disconnect()


async def clone_database(admin_url: str, template: str) -> str:
    """Copy a database and return the URL of the copy; 40 to 70 ms for a schema of ordinary size.

    Args:
        admin_url: Of any *other* database of the server, with a login that may create databases and
            owns the template: `Engines.database_url` does.
        template: Name of the database to copy; nobody may be connected to it meanwhile.
    """
    name = f"t_{uuid4().hex}"
    await run_sql(admin_url, f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY wal_log')
    return with_database(admin_url, name)


async def drop_database(admin_url: str, url: str) -> None:
    """Remove a cloned database and disconnect whoever still uses it; about 100 ms, so rarely worth it."""
    await run_sql(admin_url, f'DROP DATABASE IF EXISTS "{database_name(url)}" WITH (FORCE)')
