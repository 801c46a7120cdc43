"""Reads of one operation use one transaction in turn, and stay apart where they have to."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

from nexent_gql.db.pool import create_engine
from nexent_gql.db.session import Database, DatabaseUnavailableError
from nexent_gql.db.sharing import MAX_WAIT_S, shared_reads
from tests.support.engines import run_sql
from tests.support.stopwatch import Stopwatch
from tests.support.waiting import eventually

_BEGAN = text("SELECT pg_backend_pid() || ' ' || now()")
_TENANT = text("SELECT replace(current_setting('app.tenant_id'), '-', '')")


@asynccontextmanager
async def pool_of(database_url: str, size: int) -> AsyncGenerator[AsyncEngine]:
    engine = create_engine(database_url, pool_size=size)
    try:
        yield engine
    finally:
        await engine.dispose()


async def transaction_of(database: Database, tenant_id: UUID) -> str:
    """Return the connection and the beginning of a read's transaction."""
    async with database.read(tenant_id) as session:
        return str((await session.execute(_BEGAN)).scalar_one())


async def test_reads_share_a_transaction_within_an_operation_only(database_url: str) -> None:
    tenant = uuid4()
    async with pool_of(database_url, 2) as engine:
        database = Database(engine)
        async with shared_reads():
            shared = [await transaction_of(database, tenant) for _ in range(3)]
        alone = [await transaction_of(database, tenant) for _ in range(3)]
    assert len(set(shared)) == 1
    assert len(set(alone)) == 3
    assert set(shared).isdisjoint(alone)


async def test_concurrent_reads_of_an_operation_take_turns(database_url: str) -> None:
    tenant = uuid4()
    async with pool_of(database_url, 1) as engine, shared_reads():
        database = Database(engine)
        shared = await asyncio.gather(*(transaction_of(database, tenant) for _ in range(5)))
    assert len(shared) == 5


async def test_a_read_of_another_tenant_is_bound_to_that_tenant(database_url: str) -> None:
    tenants = [uuid4(), uuid4()]
    async with pool_of(database_url, 1) as engine, shared_reads():
        for tenant in [*tenants, *tenants]:
            async with Database(engine).read(tenant) as session:
                assert (await session.execute(_TENANT)).scalar_one() == tenant.hex


async def test_a_shared_transaction_is_read_only(database_url: str) -> None:
    tenant = uuid4()
    async with pool_of(database_url, 1) as engine, shared_reads():
        await transaction_of(Database(engine), tenant)
        with pytest.raises(DBAPIError, match="read-only"):
            async with Database(engine).read(tenant) as session:
                await session.execute(text("DELETE FROM conversation"))


async def test_a_read_that_fails_affects_no_later_one(database_url: str) -> None:
    tenant = uuid4()
    async with pool_of(database_url, 1) as engine, shared_reads():
        database = Database(engine)
        before = await transaction_of(database, tenant)
        with pytest.raises(DBAPIError, match="division"):
            async with database.read(tenant) as session:
                await session.execute(text("SELECT 1 / 0"))
        assert await transaction_of(database, tenant) != before


async def test_a_long_read_does_not_hold_up_others(database_url: str) -> None:
    tenant = uuid4()
    async with pool_of(database_url, 2) as engine, shared_reads():
        database = Database(engine)
        async with database.read(tenant) as session:
            long = str((await session.execute(_BEGAN)).scalar_one())
            assert await transaction_of(database, tenant) != long


async def test_a_read_within_a_read_begins_at_once(database_url: str) -> None:
    tenant = uuid4()
    async with pool_of(database_url, 2) as engine:
        database = Database(engine)
        await asyncio.gather(*(transaction_of(database, tenant) for _ in range(2)))
        async with shared_reads(), database.read(tenant):
            watch = Stopwatch()
            for _ in range(10):
                await transaction_of(database, tenant)
            assert watch.elapsed_s() < 10 * MAX_WAIT_S


async def test_an_idle_transaction_gives_its_connection_back(database_url: str) -> None:
    tenant = uuid4()
    async with pool_of(database_url, 1) as engine, shared_reads():
        database = Database(engine)
        await transaction_of(database, tenant)
        async with database.transaction(tenant) as session:  # waits for the only connection of the pool
            assert (await session.execute(_TENANT)).scalar_one() == tenant.hex


async def test_a_read_that_outlives_its_operation_ends_the_transaction(database_url: str) -> None:
    tenant, may_end, has_begun = uuid4(), asyncio.Event(), asyncio.Event()
    async with pool_of(database_url, 1) as engine:
        database = Database(engine)

        async def read() -> None:
            async with database.read(tenant) as session:
                await session.execute(_BEGAN)
                has_begun.set()
                await may_end.wait()

        async with shared_reads():
            reading = asyncio.create_task(read())
            await has_begun.wait()
        may_end.set()
        await reading
        pool = engine.pool
        assert isinstance(pool, QueuePool)
        assert pool.checkedout() == 0


async def test_a_cancelled_read_gives_its_connection_back(database_url: str) -> None:
    tenant, has_begun = uuid4(), asyncio.Event()
    async with pool_of(database_url, 1) as engine:
        database, pool = Database(engine), engine.pool
        assert isinstance(pool, QueuePool)

        async def read() -> None:
            async with database.read(tenant):
                has_begun.set()
                await asyncio.Event().wait()

        async with shared_reads():
            reading = asyncio.create_task(read())
            await has_begun.wait()
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
        await eventually(lambda: pool.checkedout() == 0)


async def test_a_connection_that_ends_between_two_reads_fails_one(database_url: str) -> None:
    tenant = uuid4()
    async with pool_of(database_url, 1) as engine, shared_reads():
        database = Database(engine)
        async with database.read(tenant) as session:
            pid = (await session.execute(text("SELECT pg_backend_pid()"))).scalar_one()
        await run_sql(database_url, f"SELECT pg_terminate_backend({pid}, 5000)")
        try:
            await transaction_of(database, tenant)
        except DatabaseUnavailableError:
            await transaction_of(database, tenant)
