"""Preferences of users, and their names as searches compare them."""

import sqlalchemy as sa
from alembic import op

from nexent_gql.kernel.search import fold

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

_BATCH = 1_000
_READ = sa.text("SELECT id, display_name FROM user_account WHERE id > :last ORDER BY id LIMIT :batch")
_WRITE = sa.text("UPDATE user_account SET name_key = :folded WHERE id = :id")


def upgrade() -> None:
    """Go up from the level before; the owner of the tables sees rows only while row-level security is not forced."""
    op.add_column("user_account", sa.Column("name_key", sa.String(), server_default=sa.text("''"), nullable=False))
    op.add_column("user_account", sa.Column("language", sa.String(), nullable=True))
    op.add_column("user_account", sa.Column("theme", sa.String(), nullable=True))
    op.execute("ALTER TABLE user_account NO FORCE ROW LEVEL SECURITY")
    connection = op.get_bind()
    last = "00000000-0000-0000-0000-000000000000"
    while rows := connection.execute(_READ, {"last": last, "batch": _BATCH}).all():
        connection.execute(_WRITE, [{"id": row.id, "folded": fold(row.display_name)} for row in rows])
        last = rows[-1].id
    op.execute("ALTER TABLE user_account FORCE ROW LEVEL SECURITY")


def downgrade() -> None:
    """Go back to it."""
    op.drop_column("user_account", "theme")
    op.drop_column("user_account", "language")
    op.drop_column("user_account", "name_key")
