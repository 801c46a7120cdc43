"""Row-level security as data: who may do what with which rows, and the SQL that says so to Postgres.

Two roles exist at run time, each with a login of its own. `nexent_app` sees the rows of the tenant that its
transaction named, and without one none. `nexent_system` sees all rows of the few tables in `SYSTEM_TABLES`, and may do
only what is listed there. The owner of the tables has no policy at all, so it sees no row; only migrations use it.

Expressions are written as Postgres prints them, because migrations compare them with its catalogue.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Table

from nexent_gql.db.logins import APP_ROLE, SYSTEM_ROLE

Command = Literal["SELECT", "INSERT", "UPDATE", "DELETE"]
Commands = tuple[Command, ...]

_BOUND_TENANT = "(NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid"
_ALL: Commands = ("SELECT", "INSERT", "UPDATE", "DELETE")
_READ: Commands = ("SELECT",)

TENANT_COLUMN: Mapping[str, str] = {"tenant": "id"}
"""Where the tenant stands when not in `tenant_id`."""

APP_COMMANDS: Mapping[str, Commands] = {
    "tenant": ("SELECT", "INSERT", "UPDATE"),
    "user_account": ("SELECT", "INSERT", "UPDATE"),
    "sign_in_throttle": (),
    "persisted_document": (),
    "job_worker": (),
}
"""What the application may do with its tenant's rows, where that is not everything."""

SYSTEM_TABLES: Mapping[str, Commands] = {
    "user_account": _READ,
    "api_key": _READ,
    "auth_session": ("SELECT", "DELETE"),
    "persisted_document": ("SELECT", "INSERT", "DELETE"),
    "sign_in_throttle": _ALL,
    "job": _ALL,
    "job_step": ("SELECT", "DELETE"),
    "outbox": _ALL,
    "message_search": _READ,
    "schedule": ("SELECT", "UPDATE"),
    "conversation_event": ("SELECT", "DELETE"),
    "run_archive": ("SELECT", "UPDATE"),
    "job_worker": _ALL,
    "open_model_call": _READ,
    "file_upload": ("SELECT", "DELETE"),
    "file_object": _READ,
}
"""What system work may do, and why: whose an address or an API key is shows only when it is found (read only); so
does who may keep their connections, which is asked for all of a process at once; documents that clients may name belong
to the installation; throttles of sign-in have no tenant; jobs are claimed, re-queued and purged, and enqueued when a
schedule fires; the outbox is handed on (its row locks count as UPDATE), and re-driven jobs are written to it; a search
reads the ids of one owner's messages (read only) by an index that Postgres does not use below a policy, see
`conversations/search.py`; sessions that have ended and events past their retention are deleted;
workers belong to the installation; calls whose worker died are found to be settled (read only); expired uploads are
deleted, and stored content is compared with the object storage (read only)."""


class UnsecuredTableError(Exception):
    """A table has no column that names its tenant, and is not for system work alone."""


@dataclass(frozen=True, slots=True)
class Policy:
    """One row of `pg_policies`: `using` filters what is there, and what is written too where `check` is None."""

    name: str
    role: str
    command: Literal["ALL"] | Command
    using: str | None
    check: str | None

    def create(self, table: str) -> str:
        """Return the statement that makes it."""
        using = f" USING ({self.using})" if self.using else ""
        check = f" WITH CHECK ({self.check})" if self.check else ""
        return f"CREATE POLICY {self.name} ON {table} FOR {self.command} TO {self.role}{using}{check}"

    def drop(self, table: str) -> str:
        """Return the statement that removes it."""
        return f"DROP POLICY {self.name} ON {table}"


@dataclass(frozen=True, slots=True)
class Protection:
    """All that keeps a table's rows apart; `forced`: row-level security is enabled, for its owner too."""

    forced: bool
    policies: frozenset[Policy]
    grants: frozenset[tuple[str, str]]
    """Pairs of role and command."""


UNPROTECTED = Protection(forced=False, policies=frozenset(), grants=frozenset())


def protection(table: Table) -> Protection:
    """Return what a table must have.

    Raises:
        UnsecuredTableError: Nothing says whose rows they are.
    """
    app, system = APP_COMMANDS.get(table.name, _ALL), SYSTEM_TABLES.get(table.name, ())
    policies = [_system_policy(command) for command in system]
    if app:
        policies.append(_tenant_policy(table))
    if not policies:
        raise UnsecuredTableError(table.name)
    grants = [(APP_ROLE, command) for command in app] + [(SYSTEM_ROLE, command) for command in system]
    return Protection(forced=True, policies=frozenset(policies), grants=frozenset(grants))


def changes(table: str, have: Protection, want: Protection) -> list[str]:
    """Return the statements that lead from one protection to the other, in an order that never opens a gap."""
    steps: list[str] = []
    if want.forced and not have.forced:
        steps += [f"ALTER TABLE {table} {word} ROW LEVEL SECURITY" for word in ("ENABLE", "FORCE")]
    steps += [f"REVOKE {what} ON {table} FROM {role}" for role, what in _by_role(have.grants - want.grants)]
    steps += [policy.drop(table) for policy in _sorted(have.policies - want.policies)]
    steps += [policy.create(table) for policy in _sorted(want.policies - have.policies)]
    steps += [f"GRANT {what} ON {table} TO {role}" for role, what in _by_role(want.grants - have.grants)]
    if have.forced and not want.forced:
        steps += [f"ALTER TABLE {table} {word} ROW LEVEL SECURITY" for word in ("NO FORCE", "DISABLE")]
    return steps


def _sorted(policies: frozenset[Policy]) -> list[Policy]:
    return sorted(policies, key=lambda policy: policy.name)


def _by_role(grants: frozenset[tuple[str, str]]) -> list[tuple[str, str]]:
    """Join the commands of each role by commas."""
    roles = sorted({role for role, _ in grants})
    return [(role, ", ".join(sorted(command for to, command in grants if to == role))) for role in roles]


def _tenant_policy(table: Table) -> Policy:
    column = TENANT_COLUMN.get(table.name, "tenant_id")
    if column not in table.columns:
        raise UnsecuredTableError(table.name)
    return Policy(name="tenant", role=APP_ROLE, command="ALL", using=f"({column} = {_BOUND_TENANT})", check=None)


def _system_policy(command: Command) -> Policy:
    return Policy(
        name=f"system_{command.lower()}",
        role=SYSTEM_ROLE,
        command=command,
        using=None if command == "INSERT" else "true",
        check="true" if command == "INSERT" else None,
    )
