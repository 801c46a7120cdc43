"""Row-level security as data: the policies and grants of each table, and their SQL.

Two roles exist at run time, each with its own login. `nexent_app` sees the rows of the tenant that its transaction
names, and none without a tenant. `nexent_system` sees all rows of the few tables in `SYSTEM_TABLES`, with the rights
listed there. The owner of the tables has no policy and therefore sees no row; only migrations use it.

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
"""The column of the tenant where it is not `tenant_id`."""

APP_COMMANDS: Mapping[str, Commands] = {
    "tenant": ("SELECT", "INSERT", "UPDATE"),
    "user_account": ("SELECT", "INSERT", "UPDATE"),
    "sign_in_throttle": (),
    "persisted_document": (),
    "job_worker": (),
}
"""Rights of the application on its tenant's rows, where they are restricted."""

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
    "knowledge_event": ("SELECT", "DELETE"),
    "run_archive": ("SELECT", "UPDATE"),
    "job_worker": _ALL,
    "open_model_call": _READ,
    "model_call": ("SELECT", "INSERT", "DELETE"),
    "model_health_change": ("SELECT", "DELETE"),
    "file_upload": ("SELECT", "DELETE"),
    "file_object": _READ,
    "knowledge_base": _READ,
}
"""Rights of work across tenants. Users, API keys and sessions are looked up before their tenant is known, or for all
connections of a process (read only). Trusted documents and workers belong to the installation, and sign-in throttles
have no tenant. Jobs are claimed, requeued, purged, and enqueued by schedules. The outbox is relayed (row locks count as
UPDATE), and requeued jobs write to it. Message search reads ids by an index that Postgres does not use below a policy,
see `conversations/search.py`. Ended sessions, events past their retention and expired uploads are deleted. Calls of
dead workers are read to be settled, calls past their retention are replaced by summaries, old changes of health are
deleted, and stored content is compared with the object storage (read only). Tenants with knowledge bases are listed
(read only).
"""


class UnsecuredTableError(Exception):
    """A table has no tenant column and is not listed as a system table."""


@dataclass(frozen=True, slots=True)
class Policy:
    """One row of `pg_policies`: `using` filters existing rows, and written rows too if `check` is None."""

    name: str
    role: str
    command: Literal["ALL"] | Command
    using: str | None
    check: str | None

    def create(self, table: str) -> str:
        """Return the CREATE POLICY statement."""
        using = f" USING ({self.using})" if self.using else ""
        check = f" WITH CHECK ({self.check})" if self.check else ""
        return f"CREATE POLICY {self.name} ON {table} FOR {self.command} TO {self.role}{using}{check}"

    def drop(self, table: str) -> str:
        """Return the DROP POLICY statement."""
        return f"DROP POLICY {self.name} ON {table}"


@dataclass(frozen=True, slots=True)
class Protection:
    """The policies and grants of a table; `forced` means that row-level security also applies to its owner."""

    forced: bool
    policies: frozenset[Policy]
    grants: frozenset[tuple[str, str]]
    """Pairs of role and command."""


UNPROTECTED = Protection(forced=False, policies=frozenset(), grants=frozenset())


def protection(table: Table) -> Protection:
    """Return the required policies and grants of a table.

    Raises:
        UnsecuredTableError: The table has no tenant.
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
    """Return the statements that change one protection into the other, in an order that never opens a gap."""
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
    """Return the commands of each role, joined by commas."""
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
