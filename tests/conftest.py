"""Fixtures for every tier. Engines start when a test first asks for one, and end with the session."""

from collections.abc import AsyncGenerator, Generator

import pytest
from hypothesis import HealthCheck, settings
from pydantic import SecretStr
from redis import Redis

from nexent_gql.adapters.events_memory import MemoryEventLog
from nexent_gql.adapters.passwords_argon2 import Argon2Passwords
from nexent_gql.db.logins import SYSTEM_ROLE
from nexent_gql.db.pool import create_engine
from nexent_gql.db.session import Database
from nexent_gql.domains.identity.service import IdentityService
from nexent_gql.domains.identity.settings import AuthSettings
from nexent_gql.embedded import Engines
from nexent_gql.telemetry import configure_logging
from tests.support.clock import MovableClock
from tests.support.databases import Databases, run_time_urls
from tests.support.elasticsearch import ElasticsearchUnderTest, running_elasticsearch
from tests.support.engines import running_engines
from tests.support.factory import Factory

pytest_plugins = ["tests.support.plain_logs", "tests.support.require"]


# How fast examples are made and tried says something of the machine only.
settings.register_profile("default-without-times", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("default-without-times")

FAST_FOLDER = "unit"
FAST_MODULES = {
    "test_agents",
    "test_budgets",
    "test_conversations",
    "test_defer",
    "test_document_store",
    "test_http",
    "test_http_bodies",
    "test_identity_api",
    "test_message_parts",
    "test_plain",
    "test_september_2026",
    "test_sse",
    "test_tools_api",
    "test_websocket",
    "test_wire",
}
"""Modules outside of `unit/` that `make test-fast` runs: most of them share one server for all their tests."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests as slow that are neither unit tests nor of a fast module."""
    for item in items:
        if FAST_FOLDER not in item.path.parts and item.path.stem not in FAST_MODULES:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", autouse=True)
def logs() -> None:
    """Short lines, as in production: structlog's own rendering of a traceback takes seconds."""
    configure_logging("json", "INFO")


@pytest.fixture(scope="session")
def engines() -> Generator[Engines]:
    """Both engines, over a temporary folder."""
    with running_engines() as engines:
        yield engines


@pytest.fixture(scope="session")
def elasticsearch(tmp_path_factory: pytest.TempPathFactory) -> Generator[ElasticsearchUnderTest]:
    """Elasticsearch, shared by all tests of the run; each uses a prefix of its own."""
    with running_elasticsearch(tmp_path_factory) as node:
        yield node


@pytest.fixture(scope="session")
def databases(engines: Engines) -> Generator[Databases]:
    """The template database, to be cloned."""
    template = Databases(engines.database_url)
    yield template
    template.close()


@pytest.fixture
def owner_url(databases: Databases) -> Generator[str]:
    """A database of its own for one test, with all tables and no rows, by the login that owns it."""
    url = databases.clone()
    yield url
    databases.drop(url)


@pytest.fixture
def database_url(owner_url: str) -> str:
    """The test's own database, by the login of tenants' work."""
    return run_time_urls(owner_url).database_url


@pytest.fixture
def system_database_url(owner_url: str) -> str:
    """The test's own database, by the login of system work."""
    return run_time_urls(owner_url).system_database_url


@pytest.fixture
async def database(database_url: str, system_database_url: str) -> AsyncGenerator[Database]:
    """Sessions on the test's own database."""
    engine = create_engine(database_url, pool_size=5)
    system_engine = create_engine(system_database_url, role=SYSTEM_ROLE, pool_size=5)
    yield Database(engine, system_engine)
    await engine.dispose()
    await system_engine.dispose()


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


@pytest.fixture(scope="session")
def passwords() -> Generator[Argon2Passwords]:
    """Argon2id with the weakest parameters: 0.1 ms."""
    hasher = Argon2Passwords(memory_kib=8, passes=1)
    yield hasher
    hasher.close()


@pytest.fixture
def clock() -> MovableClock:
    """The real time, until a test moves it."""
    return MovableClock()


@pytest.fixture
def identity(database: Database, passwords: Argon2Passwords, clock: MovableClock) -> IdentityService:
    """The services of identity, with the settings' defaults."""
    return IdentityService(
        database, passwords, clock, SecretStr("a secret key for tests, 32 or more"), AuthSettings(), MemoryEventLog()
    )
