"""One template database for a session, and a clone of it for a test.

The template is made from the models, so that a table can be tried before its revision is written; that migrations lead
to the very same database is what `test_migrations.py` shows.
"""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from pydantic import SecretStr
from sqlalchemy import NullPool
from sqlalchemy.ext.asyncio import create_async_engine

from nexent_gql.db import rls
from nexent_gql.migrations.logins import RunTimeUrls
from nexent_gql.migrations.roles import ensure_logins, ensure_roles
from nexent_gql.settings import Settings, read_settings
from nexent_gql.tables import metadata
from tests.support.engines import clone_database, drop_database, run_sql, with_database

T = TypeVar("T")
TEMPLATE = "nexent_template"
_LOGIN_KEY = SecretStr("the key of the tests' database logins")


def run_time_urls(owner_url: str) -> RunTimeUrls:
    """Return where API and workers connect, beside the owner; one key for all tests, because they share a cluster."""
    return RunTimeUrls.derive(owner_url, _LOGIN_KEY)


def make_settings(owner_url: str, redis_url: str, **changes: Any) -> Settings:  # noqa: ANN401 - of any section
    """Return the settings of an installation on a database whose owner is given; `changes` are further fields."""
    urls = run_time_urls(owner_url)
    return read_settings(
        database_url=urls.database_url,
        system_database_url=urls.system_database_url,
        redis_url=redis_url,
        **{"secret_key": "k" * 40, **changes},
    )


class Databases:
    """Clones the template, and drops the clones beside the tests; for one thread.

    Everything runs in an event loop of its own, so that fixtures of any kind can use it.
    """

    def __init__(self, admin_url: str) -> None:
        self._admin_url = admin_url
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="databases")
        self._drops: list[Future[None]] = []
        self._now(_make_template(admin_url))

    def clone(self) -> str:
        """Return the owner's URL of a fresh database with all tables."""
        return self._now(clone_database(self._admin_url, TEMPLATE))

    def drop(self, url: str) -> None:
        """Remove a clone, some time later."""
        self._drops.append(self._thread.submit(asyncio.run, drop_database(self._admin_url, url)))

    def close(self) -> None:
        """Wait until what was to be dropped is dropped; tells if that failed."""
        self._thread.shutdown()
        for drop in self._drops:
            drop.result()

    def _now(self, work: Coroutine[object, object, T]) -> T:
        return self._thread.submit(asyncio.run, work).result()


async def _make_template(admin_url: str) -> None:
    await run_sql(admin_url, f"CREATE DATABASE {TEMPLATE}")
    engine = create_async_engine(with_database(admin_url, TEMPLATE), poolclass=NullPool)
    async with engine.connect() as connection:
        await ensure_roles(connection)
        await ensure_logins(connection, run_time_urls(with_database(admin_url, TEMPLATE)))
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
        for table in metadata.sorted_tables:
            for statement in rls.changes(table.name, rls.UNPROTECTED, rls.protection(table)):
                await connection.exec_driver_sql(statement)
