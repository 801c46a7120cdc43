"""Makes alembic compare policies and grants; differences become `op.execute` lines of a revision."""

from typing import Literal

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import MigrateOperation, MigrationScript
from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData
from sqlmodel.sql.sqltypes import AutoString

from nexent_gql.db.rls import UNPROTECTED, changes, protection
from nexent_gql.migrations.catalogue import protections


class SecureTableOp(MigrateOperation):
    """Statements that change the policies and grants of a table."""

    def __init__(self, table: str, statements: list[str]) -> None:
        """Keep the statements, in order."""
        self.table = table
        self.statements = statements

    def to_diff_tuple(self) -> tuple[str, str, list[str]]:
        """Say what differs."""
        return ("security", self.table, self.statements)


@renderers.dispatch_for(SecureTableOp)
def _render(_context: AutogenContext, op: SecureTableOp) -> list[str]:
    return [f'op.execute("{statement}")'.replace(" USING ", '"\n" USING ') for statement in op.statements]


def render_plain_strings(kind: str, value: object, _context: AutogenContext) -> str | Literal[False]:
    """Render SQLModel's string types as plain ones, so that no revision depends on SQLModel."""
    return "sa.String()" if kind == "type" and isinstance(value, AutoString) else False


def add_security(context: MigrationContext, _revision: object, directives: list[MigrationScript]) -> None:
    """Add missing policies and grants to a new revision; those of a dropped table vanish with it."""
    metadata = context.opts["target_metadata"]
    if context.connection is None or not isinstance(metadata, MetaData):
        message = "revisions need a database connection"
        raise TypeError(message)
    have = protections(context.connection)
    want = {table.name: protection(table) for table in metadata.sorted_tables}
    for script in directives:
        up, down = script.upgrade_ops, script.downgrade_ops
        if up is None or down is None:
            continue
        for name, target in want.items():
            if steps := changes(name, have.get(name, UNPROTECTED), target):
                up.ops.append(SecureTableOp(name, steps))
            if name in have and (steps := changes(name, target, have[name])):
                down.ops.append(SecureTableOp(name, steps))
        for name in have.keys() - want.keys() - {context.version_table}:
            down.ops.append(SecureTableOp(name, changes(name, UNPROTECTED, have[name])))
