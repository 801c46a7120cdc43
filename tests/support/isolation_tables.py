"""Attempts to reach another tenant's rows by SQL that names no tenant: what row-level security has to stop."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID

from sqlalchemy import Table, delete, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.sql.dml import UpdateBase

from tests.support.tenant_rows import Row, tenant_column

_REFUSED = "42501"  # by a policy, or for want of a right


@asynccontextmanager
async def bound(engine: AsyncEngine, tenant_id: UUID | None) -> AsyncGenerator[AsyncConnection]:
    """Open a transaction as the application, bound to a tenant or to none; it is rolled back."""
    async with engine.connect() as connection:
        if tenant_id is not None:
            await connection.execute(text("SELECT set_config('app.tenant_id', :id, true)"), {"id": str(tenant_id)})
        yield connection
        await connection.rollback()


async def leaks(engine: AsyncEngine, table: Table, mine: UUID | None, other: UUID, new: Row) -> list[str]:
    """Return what somebody bound to `mine` (None: to nobody) gets at; `new` is a row that `other` does not have yet."""
    column = tenant_column(table)
    commands: list[str] = []
    async with bound(engine, mine) as connection:
        foreign = select(func.count()).select_from(table).where(column.is_distinct_from(mine))
        if (await connection.execute(foreign)).scalar_one():
            commands.append("reads")
    attempts: dict[str, UpdateBase] = {
        "changes": update(table).where(column == other).values({column.name: column}),
        "takes": update(table).where(column == other).values({column.name: mine or column}),
        "deletes": delete(table).where(column == other),
        "inserts": insert(table).values(new),
        "gives away": update(table).where(column == mine).values({column.name: other}),
    }
    for name, statement in attempts.items():
        async with bound(engine, mine) as connection:
            if await _changes(connection, statement):
                commands.append(name)
    return commands


async def _changes(connection: AsyncConnection, statement: UpdateBase) -> bool:
    """Tell whether a statement changes anything, or would but for a key that points elsewhere."""
    try:
        result = await connection.execute(statement.returning(text("1")))
    except IntegrityError:
        return True
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _REFUSED:
            raise
        return False
    return result.first() is not None
