"""Sends the statement that binds a transaction to its tenant together with BEGIN, which saves a round trip."""

from typing import cast
from uuid import UUID

import asyncpg
from sqlalchemy import Connection, Engine, event

READ_ONLY = "SET TRANSACTION READ ONLY;"
OPTION = "nexent_binding"
"""The execution option of a connection with the statement that binds its transactions."""


def as_tenant(tenant_id: UUID) -> str:
    """Return the statement that binds a transaction to a tenant."""
    return f"SET LOCAL app.tenant_id = '{tenant_id.hex}';"


class BindingConnection(asyncpg.Connection):
    """Begins a transaction together with the statement that binds it."""

    binding = ""

    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str:  # noqa: ASYNC109 - asyncpg's
        """See `asyncpg.Connection.execute`, by which asyncpg begins and ends transactions too."""
        if not query.startswith("BEGIN"):
            return await super().execute(query, *args, timeout=timeout)  # pyright: ignore[reportUnknownMemberType]
        query, self.binding = f"{query} {self.binding}", ""
        try:
            return await super().execute(query, *args, timeout=timeout)  # pyright: ignore[reportUnknownMemberType]
        except asyncpg.PostgresError:
            self.terminate()  # the transaction may have begun before the failure, and SQLAlchemy would not roll it back
            raise


def bind_transactions(engine: Engine) -> None:
    """Bind every transaction of a pool by its `OPTION`; a transaction without it is bound to no tenant."""
    event.listen(engine, "begin", _bind)


def _bind(connection: Connection) -> None:
    driver = cast("BindingConnection", connection.connection.driver_connection)
    driver.binding = cast("str", connection.get_execution_options().get(OPTION, ""))
