"""What binds a transaction to its tenant goes out together with its BEGIN: one round trip instead of two."""

from typing import cast
from uuid import UUID

import asyncpg
from sqlalchemy import Connection, Engine, event

READ_ONLY = "SET TRANSACTION READ ONLY;"
OPTION = "nexent_binding"
"""The execution option of a connection that holds what its transactions are bound by."""


def as_tenant(tenant_id: UUID) -> str:
    """Return the statement that binds a transaction to a tenant."""
    return f"SET LOCAL app.tenant_id = '{tenant_id.hex}';"


class BindingConnection(asyncpg.Connection):
    """Begins a transaction with what it is bound by."""

    binding = ""

    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str:  # noqa: ASYNC109 - asyncpg's
        """See `asyncpg.Connection.execute`, by which asyncpg begins and ends transactions too."""
        if not query.startswith("BEGIN"):
            return await super().execute(query, *args, timeout=timeout)  # pyright: ignore[reportUnknownMemberType]
        query, self.binding = f"{query} {self.binding}", ""
        try:
            return await super().execute(query, *args, timeout=timeout)  # pyright: ignore[reportUnknownMemberType]
        except asyncpg.PostgresError:
            self.terminate()  # it may have begun before it failed, and SQLAlchemy would not roll it back
            raise


def bind_transactions(engine: Engine) -> None:
    """Let every transaction of a pool be bound by its `OPTION`; one without it is bound to nothing."""
    event.listen(engine, "begin", _bind)


def _bind(connection: Connection) -> None:
    driver = cast("BindingConnection", connection.connection.driver_connection)
    driver.binding = cast("str", connection.get_execution_options().get(OPTION, ""))
