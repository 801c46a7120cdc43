"""Units of work: every session is bound to one tenant, or openly to none.

The pool logs in with the role `nexent_app` as its session default: it owns no table and cannot bypass
row-level security. A transaction names its tenant by a setting that ends with it; without one, policies
show nothing. System work (claiming jobs, finding a user by e-mail) takes the role `nexent_system`,
whose policies cover only the tables that need it.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from nexent_gql.kernel.errors import UnavailableError

APP_ROLE = "nexent_app"
SYSTEM_ROLE = "nexent_system"
_BIND_TENANT = text("SELECT set_config('app.tenant_id', :tenant, true)")
_BIND_SYSTEM = text("SELECT set_config('role', :role, true)")
_READ_ONLY = text("SELECT set_config('app.tenant_id', :tenant, true), set_config('transaction_read_only', 'on', true)")


class DatabaseUnavailableError(UnavailableError):
    """Postgres does not answer, or the pool is exhausted."""

    code = "DATABASE_UNAVAILABLE"


def create_engine(url: str, *, pool_size: int = 20, statement_timeout_s: float = 30) -> AsyncEngine:
    """Make the pool of the application role; a connection is tested before use."""
    return create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=5,
        pool_pre_ping=True,
        hide_parameters=True,  # what people wrote, and sealed keys, would stand in every logged error
        connect_args={
            "timeout": 10,
            "server_settings": {
                "role": APP_ROLE,
                "application_name": "nexent_gql",
                "statement_timeout": str(int(statement_timeout_s * 1000)),
                "idle_in_transaction_session_timeout": "60000",
                "jit": "off",
            },
        },
    )


class Database:
    """Opens sessions on one pool."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Keep the pool; whoever made it disposes of it."""
        self.engine = engine

    @asynccontextmanager
    async def transaction(self, tenant_id: UUID) -> AsyncGenerator[AsyncSession]:
        """Open a transaction that sees and writes one tenant's rows; commits on leaving, rolls back on any error."""
        async with self._begin() as session:
            await session.execute(_BIND_TENANT, {"tenant": str(tenant_id)})
            yield session

    @asynccontextmanager
    async def read(self, tenant_id: UUID) -> AsyncGenerator[AsyncSession]:
        """Open a read-only transaction over one tenant's rows."""
        async with self._begin() as session:
            await session.execute(_READ_ONLY, {"tenant": str(tenant_id)})
            yield session

    @asynccontextmanager
    async def system(self) -> AsyncGenerator[AsyncSession]:
        """Open a transaction that spans tenants, on the few tables whose policies allow it."""
        async with self._begin() as session:
            await session.execute(_BIND_SYSTEM, {"role": SYSTEM_ROLE})
            yield session

    @asynccontextmanager
    async def _begin(self) -> AsyncGenerator[AsyncSession]:
        async with AsyncSession(self.engine, expire_on_commit=False) as session, session.begin():
            yield session
