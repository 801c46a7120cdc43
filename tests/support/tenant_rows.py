"""A row in every table, for whichever tenant: isolation is tested on all tables there are, also on tomorrow's."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import count
from uuid import UUID

from sqlalchemy import ARRAY, Boolean, Column, DateTime, Integer, LargeBinary, Table, Uuid, insert, select
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel.sql.sqltypes import AutoString

from nexent_gql.db.rls import APP_COMMANDS, TENANT_COLUMN
from nexent_gql.kernel.ids import new_id
from nexent_gql.tables import metadata

Row = dict[str, object]
Rows = dict[str, Row]
TENANT_TABLES = [table for table in metadata.sorted_tables if APP_COMMANDS.get(table.name, True)]
ALLOWED = {("user_account", "role"): "MEMBER", ("agent", "max_steps"): 7}
"""Values for columns with a check."""

_numbers = count(1)


def tenant_column(table: Table) -> Column[UUID]:
    """Return the column that says whose a row is."""
    return table.columns[TENANT_COLUMN.get(table.name, "tenant_id")]


def new_rows(tenant_id: UUID) -> Rows:
    """Invent a row for each table; foreign keys point to the rows of the same tenant."""
    rows: Rows = {"tenant": {}}
    for table in TENANT_TABLES:
        rows[table.name] = _new_row(table, tenant_id, rows)
    return rows


async def write(connection: AsyncConnection, rows: Rows) -> None:
    """Insert rows, parents first."""
    for table in TENANT_TABLES:
        await connection.execute(insert(table).values(rows[table.name]))


async def dump(connection: AsyncConnection, tenant_id: UUID) -> Mapping[str, list[tuple[object, ...]]]:
    """Return all rows of a tenant, as this connection sees them."""
    rows_by_table: dict[str, list[tuple[object, ...]]] = {}
    for table in TENANT_TABLES:
        query = select(table).where(tenant_column(table) == tenant_id)
        rows_by_table[table.name] = [tuple(row) for row in (await connection.execute(query)).all()]
    return rows_by_table


def _new_row(table: Table, tenant_id: UUID, rows: Rows) -> Row:
    row: Row = {tenant_column(table).name: tenant_id}
    for key in table.foreign_key_constraints:
        if key.referred_table is not table:
            parent = rows[key.referred_table.name]
            row |= {
                local.name: parent[there.column.name] for local, there in zip(key.columns, key.elements, strict=True)
            }
    for column in table.columns:
        if column.name not in row and not (column.nullable or column.identity or column.server_default):
            row[column.name] = ALLOWED.get((table.name, column.name)) or _value(column)
    return row


def _value(column: Column[object]) -> object:
    values: dict[type, object] = {
        Uuid: new_id(),
        AutoString: f"{column.table.name}.{column.name} {next(_numbers)}",
        Boolean: False,
        Integer: 1,
        DateTime: datetime.now(UTC),
        LargeBinary: os.urandom(16),
        ARRAY: [],
        JSONB: {},
        TSVECTOR: "'word'",
    }
    return next(value for kind, value in values.items() if isinstance(column.type, kind))
