"""The connection pool, which detects dead connections before they are used."""

from time import monotonic
from typing import cast

from asyncpg import Connection, InterfaceError, InternalClientError, PostgresError
from sqlalchemy import Engine, event
from sqlalchemy.engine.interfaces import AdaptedConnection, DBAPIConnection
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from nexent_gql.db.binding import BindingConnection, bind_transactions
from nexent_gql.db.logins import APP_ROLE, check_login

_COMMAND_TIMEOUT_S = 10
_PING_AFTER_S = (
    1.0  # since its last use; testing a connection takes three round trips, a quarter of a short transaction
)
_USED_AT = "nexent_used_at"


def create_engine(
    url: str, *, role: str = APP_ROLE, pool_size: int = 20, statement_timeout_s: float = 30
) -> AsyncEngine:
    """Create a pool for a login that has only the rights of `role`; connections are tested before use.

    Statements time out after 10 s, because a connection can be dead without notice. Postgres ends a transaction that
    is idle for 10 s, so that locks of a disconnected worker do not block its successor. A new connection whose login
    could bypass row-level security raises `UnsafeLoginError`.
    """
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=5,
        pool_use_lifo=True,  # few connections do the work: each prepares its own statements, and is tested when idle
        hide_parameters=True,  # parameters contain user texts and encrypted keys, which must not be logged
        connect_args={
            "connection_class": BindingConnection,
            "timeout": 10,
            "command_timeout": _COMMAND_TIMEOUT_S,
            "server_settings": {
                "application_name": "nexent_gql",
                "statement_timeout": str(int(statement_timeout_s * 1000)),
                "idle_in_transaction_session_timeout": str(_COMMAND_TIMEOUT_S * 1000),
                "jit": "off",
            },
        },
    )
    bind_transactions(engine.sync_engine)
    _refuse_unsafe_logins(engine.sync_engine, role)
    _Liveness(engine.sync_engine)
    return engine


def _refuse_unsafe_logins(engine: Engine, role: str) -> None:
    async def verify_login(connection: Connection) -> None:
        try:
            await check_login(connection, role)
        except (PostgresError, InterfaceError, InternalClientError) as error:  # the last one follows a FATAL
            connection.terminate()
            raise ConnectionError(str(error)) from error
        except BaseException:
            connection.terminate()
            raise

    def connect(connection: AdaptedConnection, entry: ConnectionPoolEntry) -> None:
        del entry
        connection.run_async(verify_login)

    event.listen(engine, "connect", connect)


class _Liveness:
    """Renews the pool when a checked-out connection has ended; tests connections that were idle for long."""

    def __init__(self, engine: Engine) -> None:
        self._dialect = engine.dialect
        event.listen(engine, "checkout", self._checkout)
        event.listen(engine, "checkin", self._checkin)

    def _checkout(self, connection: DBAPIConnection, entry: ConnectionPoolEntry, proxy: PoolProxiedConnection) -> None:
        del proxy
        used_at = cast("float | None", entry.info.get(_USED_AT))
        if used_at is None:
            return  # it is new
        if _is_closed(entry):
            raise InvalidatePoolError
        if monotonic() - used_at > _PING_AFTER_S:
            self._ping(connection)

    def _ping(self, connection: DBAPIConnection) -> None:
        try:
            self._dialect.do_ping(connection)
        except self._dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError from error

    def _checkin(self, connection: DBAPIConnection | None, entry: ConnectionPoolEntry) -> None:
        del connection
        entry.info[_USED_AT] = monotonic()


def _is_closed(entry: ConnectionPoolEntry) -> bool:
    return cast("Connection", entry.driver_connection).is_closed()
