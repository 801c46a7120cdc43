"""Add titles and names as searches compare them, and an index of conversations by last activity."""

import sqlalchemy as sa
from alembic import op

from nexent_gql.kernel.search import fold

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_BATCH = 1_000


def upgrade() -> None:
    """Go up from the level before."""
    op.add_column("agent", sa.Column("name_key", sa.String(), server_default=sa.text("''"), nullable=False))
    op.add_column("conversation", sa.Column("title_key", sa.String(), server_default=sa.text("''"), nullable=False))
    op.create_index("ix_conversation_activity", "conversation", ["tenant_id", "owner_id", "updated_at", "id"])
    _fill("agent", "name", "name_key")
    _fill("conversation", "title", "title_key")


def downgrade() -> None:
    """Go down to the level before."""
    op.drop_index("ix_conversation_activity", table_name="conversation")
    op.drop_column("conversation", "title_key")
    op.drop_column("agent", "name_key")


def _fill(table: str, source: str, target: str) -> None:
    """Fold what is there; the owner of the tables sees rows only while row-level security is not forced."""
    op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    connection = op.get_bind()
    read = sa.text(f"SELECT id, {source} AS source FROM {table} WHERE id > :last ORDER BY id LIMIT {_BATCH}")  # noqa: S608
    write = sa.text(f"UPDATE {table} SET {target} = :folded WHERE id = :id")  # noqa: S608
    last = "00000000-0000-0000-0000-000000000000"
    while rows := connection.execute(read, {"last": last}).all():
        connection.execute(write, [{"id": row.id, "folded": fold(row.source)} for row in rows])
        last = rows[-1].id
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
