"""Units of work: every session is bound to one tenant, or explicitly to none.

Work of a tenant uses a login with the rights of `nexent_app`: it owns no table and cannot bypass row-level security.
A transaction names its tenant by a setting that ends with it; without one, policies show no rows. Work across tenants
(claiming jobs, finding a user by e-mail) uses a separate pool whose login has the rights of `nexent_system`: its
policies cover only the tables that need it, and a tenant's transaction cannot use them.
"""

from asyncio import CancelledError, create_task, current_task, shield
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from uuid import UUID

from asyncpg import InterfaceError, InternalClientError
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from nexent_gql.db.binding import OPTION, READ_ONLY, as_tenant
from nexent_gql.db.sharing import current_reads
from nexent_gql.db.violations import missing_reference
from nexent_gql.kernel.errors import UnavailableError

_AWAY = ("08", "25P03", "40", "53", "57", "58")
"""SQLSTATEs or their prefixes: connection lost, idle too long, deadlock, resources, shutdown, cancelled, disk."""


class DatabaseUnavailableError(UnavailableError):
    """Postgres does not answer, or the pool is exhausted. Whether a transaction was committed may be unknown."""

    code = "DATABASE_UNAVAILABLE"


class Database:
    """Opens sessions, which raise `DatabaseUnavailableError` when Postgres is unavailable.

    Args:
        engine: The pool for tenants' work; its creator disposes of it.
        system_engine: The pool for work across tenants; by default `engine`. A login has the rights for only one of
            the two.
    """

    def __init__(self, engine: AsyncEngine, system_engine: AsyncEngine | None = None) -> None:
        self.engine = engine
        self._system_engine = system_engine or engine

    @asynccontextmanager
    async def transaction(self, tenant_id: UUID) -> AsyncGenerator[AsyncSession]:
        """Open a transaction on one tenant's rows; commits on exit, rolls back on any error.

        Do not commit or roll back within the block: later statements would have no tenant.

        Raises:
            MissingReferenceError: A row refers to an object that does not exist.
            DatabaseUnavailableError: Postgres does not answer.
        """
        with _errors():
            async with _transaction(self.engine, as_tenant(tenant_id)) as session:
                yield session

    @asynccontextmanager
    async def read(self, tenant_id: UUID) -> AsyncGenerator[AsyncSession]:
        """Open a read-only transaction over one tenant's rows, or use that of the operation (`db.sharing`)."""
        binding, shared = READ_ONLY + as_tenant(tenant_id), current_reads()
        begin = partial(_transaction, self.engine, binding)
        with _errors():
            async with begin() if shared is None else shared.read((self.engine, binding), begin) as session:
                yield session

    @asynccontextmanager
    async def system(self) -> AsyncGenerator[AsyncSession]:
        """Open a transaction across tenants, on the tables whose policies allow it."""
        with _errors():
            async with _transaction(self._system_engine, "") as session:
                yield session


@asynccontextmanager
async def _transaction(engine: AsyncEngine, binding: str) -> AsyncGenerator[AsyncSession]:
    session = AsyncSession(engine, expire_on_commit=False)
    try:
        await session.connection(execution_options={OPTION: binding})
        yield session
        await session.commit()
    finally:
        await _close(session)


@contextmanager
def _errors() -> Generator[None]:
    """Raise errors of the database as `Database` documents them."""
    cancellations = _cancellations()
    try:
        yield
    except (DBAPIError, PoolTimeoutError, InterfaceError, OSError) as error:
        if _cancellations() > cancellations:  # cancelled during the rollback: the task must still end
            raise CancelledError from error
        if isinstance(error, IntegrityError) and (missing := missing_reference(error)) is not None:
            raise missing from error
        if not _is_away(error):
            raise
        raise DatabaseUnavailableError("The database does not answer; try again in a moment.") from error


async def _close(session: AsyncSession) -> None:
    """Close the session and roll back, even if this task is cancelled meanwhile."""
    if session.in_transaction():
        await shield(create_task(session.close()))
    else:
        session.sync_session.close()


def _cancellations() -> int:
    """Return the number of cancellation requests of this task."""
    task = current_task()
    return task.cancelling() if task is not None else 0


def _is_away(error: Exception) -> bool:
    """Return whether the connection is lost or the server cannot serve, as opposed to an invalid statement."""
    if not isinstance(error, DBAPIError):
        return not isinstance(error, InterfaceError) or _is_closed(error)
    state = getattr(error.orig, "sqlstate", None)
    cause = error.orig.__cause__ if error.orig is not None else None
    return error.connection_invalidated or _is_closed(cause) or (isinstance(state, str) and state.startswith(_AWAY))


def _is_closed(error: BaseException | None) -> bool:
    """Return whether a connection was used after it was closed, or after a FATAL error."""
    return isinstance(error, InternalClientError) or (isinstance(error, InterfaceError) and "closed" in str(error))
