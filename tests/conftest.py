"""Fixtures for every tier. Engines start when a test first asks for one, and end with the session."""

from collections.abc import AsyncGenerator, Generator

import pytest
from redis import Redis

from nexent_gql.db.session import Database, create_engine
from nexent_gql.embedded import Engines
from tests.support.databases import Databases
from tests.support.engines import running_engines
from tests.support.factory import Factory

pytest_plugins = ["tests.support.plain_logs", "tests.support.require"]


@pytest.fixture(scope="session")
def engines() -> Generator[Engines]:
    """Both engines, over a temporary folder."""
    with running_engines() as engines:
        yield engines


@pytest.fixture(scope="session")
def databases(engines: Engines) -> Generator[Databases]:
    """The template database, to be cloned."""
    made = Databases(engines.database_url)
    yield made
    made.close()


@pytest.fixture
def database_url(databases: Databases) -> Generator[str]:
    """A database of its own for one test, with all tables and no rows; the login owns it."""
    url = databases.clone()
    yield url
    databases.drop(url)


@pytest.fixture
async def database(database_url: str) -> AsyncGenerator[Database]:
    """Sessions on the test's own database."""
    engine = create_engine(database_url, pool_size=5)
    yield Database(engine)
    await engine.dispose()


@pytest.fixture
def redis_url(engines: Engines) -> str:
    """Valkey, emptied."""
    with Redis.from_url(engines.redis_url) as client:  # pyright: ignore[reportUnknownMemberType]
        client.flushall()  # pyright: ignore[reportUnknownMemberType]
    return engines.redis_url


@pytest.fixture
def make(database: Database) -> Factory:
    """Make rows with sensible defaults."""
    return Factory(database)
