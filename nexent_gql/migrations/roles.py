"""The two runtime roles, and the logins that have their rights.

Roles belong to the cluster: several databases share them and may be migrated at the same time. Therefore they are not
a revision but an idempotent step before the revisions.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from random import uniform

import asyncpg
from sqlalchemy import NullPool, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from nexent_gql.db.logins import APP_ROLE, POWERS, SYSTEM_ROLE, Power, UnsafeLoginError, refuse_unsafe
from nexent_gql.migrations.errors import RolesError
from nexent_gql.migrations.logins import RunTimeUrls, password_verifier

ROLES = (APP_ROLE, SYSTEM_ROLE)
_ATTEMPTS = 8
_CREATE = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
        CREATE ROLE {role} NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOINHERIT;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END $$
"""
_UNSAFE = text("SELECT rolname FROM pg_roles WHERE rolname = :role AND (rolsuper OR rolbypassrls OR rolcanlogin)")
_EXISTS = text("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = :login)")
_IS_MEMBER = text("SELECT pg_has_role(:login, :role, 'USAGE')")
_POWERS = text(POWERS.replace("$1::name", "CAST(:login AS name)"))
_CREATE_LOGIN = "CREATE ROLE %I LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD %L"
_SET_PASSWORD = "ALTER ROLE %I LOGIN PASSWORD %L"  # noqa: S105 - a statement
_FORMAT = text("SELECT format(CAST(:statement AS text), CAST(:login AS text), CAST(:value AS text))")
_GRANT = "GRANT %2$I TO %1$I WITH INHERIT TRUE, SET FALSE"


async def ensure_roles(connection: AsyncConnection) -> None:
    """Create missing roles; `connection` must have no open transaction.

    Raises:
        RolesError: The login lacks the right, or an existing role is unsafe.
    """
    for role in ROLES:
        await _repeat(connection, role, partial(_ensure, connection, role))


async def ensure_logins(connection: AsyncConnection, urls: RunTimeUrls) -> None:
    """Create the logins of the URLs, grant them their role, and check that they have no other rights.

    Raises:
        RolesError: The owner may not create them, or an existing login is unsafe.
    """
    for url, role in ((urls.database_url, APP_ROLE), (urls.system_database_url, SYSTEM_ROLE)):
        login, password = _credentials(url)
        new_password = None if await _logs_in(url) else password
        await _repeat(connection, login, partial(_ensure_login, connection, login, role, new_password))


async def _ensure(connection: AsyncConnection, role: str) -> None:
    await connection.exec_driver_sql(_CREATE.format(role=role))
    if (await connection.execute(_UNSAFE, {"role": role})).first() is not None:
        raise RolesError(f"The role {role} may log in or bypass row-level security: revoke that (ALTER ROLE).")


async def _ensure_login(connection: AsyncConnection, login: str, role: str, new_password: str | None) -> None:
    """Create or complete one login; None as `new_password` keeps its password."""
    if new_password is not None:
        exists = (await connection.execute(_EXISTS, {"login": login})).scalar_one()
        verifier = password_verifier(new_password)
        await _execute(connection, _SET_PASSWORD if exists else _CREATE_LOGIN, login, verifier)
    if not (await connection.execute(_IS_MEMBER, {"login": login, "role": role})).scalar_one():
        await _execute(connection, _GRANT, login, role)
    rows = (await connection.execute(_POWERS, {"login": login})).mappings()
    try:
        refuse_unsafe(login, role, [Power(**row) for row in rows])
    except UnsafeLoginError as error:
        raise RolesError(str(error)) from error


async def _execute(connection: AsyncConnection, statement: str, login: str, value: str) -> None:
    """Run a statement with names and values quoted by Postgres."""
    quoted = await connection.execute(_FORMAT, {"statement": statement, "login": login, "value": value})
    await connection.exec_driver_sql(quoted.scalar_one().replace("%", "%%"))


async def _logs_in(url: str) -> bool:
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.connect():
            return True
    except DBAPIError as error:
        cause = error.orig.__cause__ if error.orig is not None else None
        if not isinstance(cause, asyncpg.InvalidAuthorizationSpecificationError):
            raise
        return False


def _credentials(url: str) -> tuple[str, str]:
    parts = make_url(url)
    if not parts.username or not parts.password:
        raise RolesError(
            "NEXENT_DATABASE_URL and NEXENT_SYSTEM_DATABASE_URL must each contain a user name and a password."
        )
    return parts.username, parts.password


async def _repeat(connection: AsyncConnection, role: str, work: Callable[[], Awaitable[None]]) -> None:
    for attempt in range(_ATTEMPTS):
        try:
            async with connection.begin():
                await work()
            break
        except DBAPIError as error:
            await _again_or_raise(error, role, attempt)


async def _again_or_raise(error: DBAPIError, role: str, attempt: int) -> None:
    """Wait a moment after a concurrent change of the same role."""
    words = ("concurrently", "pg_auth_members", "pg_authid_rolname_index", "already exists")
    if not any(word in str(error.orig) for word in words) or attempt == _ATTEMPTS - 1:
        message = (
            f'The role {role} can\'t be created or changed: grant the owner CREATEROLE or see "Logins of the database" '
            f"in docs/operations.md for what to run as an administrator. ({error.orig})"
        )
        raise RolesError(message) from error
    await asyncio.sleep(uniform(0.02, 0.2))  # noqa: S311 - jitter, not a secret
