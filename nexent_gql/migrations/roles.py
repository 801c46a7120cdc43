"""The two roles that work is done in.

Roles belong to the cluster, not to a database: several databases share them, and may be migrated at the same moment.
So they are no revision but a step before the revisions, which changes only what is not yet so.
"""

import asyncio
from random import uniform

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from nexent_gql.db.binding import APP_ROLE, SYSTEM_ROLE
from nexent_gql.migrations.errors import RolesError

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
_CAN_SET = text("SELECT pg_has_role(session_user, :role, 'SET')")


async def ensure_roles(connection: AsyncConnection) -> None:
    """Make both roles, and let this login take them; `connection` has no transaction open.

    Raises:
        RolesError: The login may not, or a role is there that must not be used.
    """
    for role in ROLES:
        for attempt in range(_ATTEMPTS):
            try:
                async with connection.begin():
                    await _ensure(connection, role)
                break
            except DBAPIError as error:
                await _again_or_raise(error, role, attempt)


async def _ensure(connection: AsyncConnection, role: str) -> None:
    await connection.exec_driver_sql(_CREATE.format(role=role))
    if (await connection.execute(_UNSAFE, {"role": role})).first() is not None:
        raise RolesError(f"The role {role} may log in, or is above row-level security: take that from it (ALTER ROLE).")
    if not (await connection.execute(_CAN_SET, {"role": role})).scalar_one():
        await connection.exec_driver_sql(f"GRANT {role} TO CURRENT_USER WITH SET TRUE, INHERIT FALSE")


async def _again_or_raise(error: DBAPIError, role: str, attempt: int) -> None:
    """Wait a moment when somebody else changed the same role just now."""
    busy = "concurrently" in str(error.orig) or "pg_auth_members" in str(error.orig)
    if not busy or attempt == _ATTEMPTS - 1:
        message = (
            f"The role {role} can't be made: give the login CREATEROLE, or make the role and grant it. ({error.orig})"
        )
        raise RolesError(message) from error
    await asyncio.sleep(uniform(0.02, 0.2))  # noqa: S311 - jitter, not a secret
