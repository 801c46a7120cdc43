"""Reads row-level security policies and grants from Postgres's catalogue."""

from collections.abc import Mapping

from sqlalchemy import Connection, text

from nexent_gql.db.rls import Policy, Protection

_TABLES = text("""
    SELECT relname AS name, relrowsecurity AND relforcerowsecurity AS forced
      FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
""")
_POLICIES = text("""
    SELECT tablename AS table, policyname AS name, array_to_string(roles, ',') AS role, cmd AS command,
           qual AS using, with_check AS check
      FROM pg_policies WHERE schemaname = 'public'
""")
_GRANTS = text("""
    SELECT relname AS table, coalesce(rolname, 'public') AS role, privilege_type AS command
      FROM pg_class CROSS JOIN aclexplode(relacl) LEFT JOIN pg_roles ON pg_roles.oid = grantee
     WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND grantee <> relowner
""")


def protections(connection: Connection) -> Mapping[str, Protection]:
    """Return the policies and grants of every table of the schema `public`, by table name."""
    policies: dict[str, set[Policy]] = {}
    for row in connection.execute(_POLICIES):
        policy = Policy(name=row.name, role=row.role, command=row.command, using=row.using, check=row.check)
        policies.setdefault(row.table, set()).add(policy)
    grants: dict[str, set[tuple[str, str]]] = {}
    for row in connection.execute(_GRANTS):
        grants.setdefault(row.table, set()).add((row.role, row.command))
    return {
        row.name: Protection(
            forced=row.forced,
            policies=frozenset(policies.get(row.name, ())),
            grants=frozenset(grants.get(row.name, ())),
        )
        for row in connection.execute(_TABLES)
    }
