"""Checks that runtime logins cannot bypass row-level security, not even by an injected statement.

Each of the two logins inherits the rights of one role and cannot switch to another one by `SET ROLE`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import asyncpg

APP_ROLE = "nexent_app"
SYSTEM_ROLE = "nexent_system"
_DATABASE_OWNER = "pg_database_owner"
POWERS = """
    SELECT rolname AS name, rolsuper AS is_superuser, rolbypassrls AS bypasses_rls, rolcreaterole AS creates_roles,
           pg_has_role($1::name, pg_roles.oid, 'USAGE') AS is_inherited,
           EXISTS (SELECT FROM pg_class
                    WHERE relowner = pg_roles.oid AND relnamespace = to_regnamespace('public')) AS owns_tables
      FROM pg_roles WHERE pg_has_role($1::name, pg_roles.oid, 'MEMBER')
"""
"""The login `$1` and all roles that it inherits from or can switch to."""


class UnsafeLoginError(Exception):
    """A login could bypass row-level security or lacks the rights of its role; the message explains what to do."""


@dataclass(frozen=True, slots=True)
class Power:
    """One row of `POWERS`."""

    name: str
    is_superuser: bool
    bypasses_rls: bool
    creates_roles: bool
    is_inherited: bool
    owns_tables: bool


def refuse_unsafe(login: str, role: str, powers: Sequence[Power]) -> None:
    """Check that `login` has the rights of `role` and none that bypass row-level security.

    Raises:
        UnsafeLoginError: The login has fewer or more rights.
    """
    other = SYSTEM_ROLE if role == APP_ROLE else APP_ROLE
    for power in sorted(powers, key=lambda power: power.name != login):  # rights of the login itself are reported first
        if reason := _danger(power, other):
            through = "" if power.name == login else f" (through the role {power.name})"
            raise UnsafeLoginError(
                f"The database login {login} {reason}{through}, so row-level security would not hold. Use a login "
                f"that `nexent-gql migrate` creates, or one that is a member of {role} only."
            )
    if not any(power.name == role and power.is_inherited for power in powers):
        raise UnsafeLoginError(f"The database login {login} is not a member of {role}: run `nexent-gql migrate`.")


async def check_login(connection: asyncpg.Connection, role: str) -> None:
    """Check the login of a new connection.

    Raises:
        UnsafeLoginError: The login must not be used.
    """
    login = cast("str", await connection.fetchval("SELECT session_user"))  # pyright: ignore[reportUnknownMemberType]
    rows = await connection.fetch(POWERS, login)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    refuse_unsafe(login, role, [Power(**dict(row)) for row in rows])  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def _danger(power: Power, other_role: str) -> str | None:
    if power.is_superuser:
        return "is a superuser"
    if power.bypasses_rls:
        return "has BYPASSRLS"
    if power.owns_tables or power.name == _DATABASE_OWNER:
        return "owns the tables or the database"
    if power.creates_roles:
        return "has CREATEROLE"
    return f"can act as {other_role}" if power.name == other_role else None
