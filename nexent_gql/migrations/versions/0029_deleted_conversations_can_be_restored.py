"""Deleted conversations can be restored."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up from the level before."""
    op.add_column("conversation", sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("message_search", sa.Column("is_hidden", sa.Boolean(), server_default="false", nullable=False))


def downgrade() -> None:
    """Go back to it; the owner of the tables sees rows only while row-level security is not forced."""
    op.execute("ALTER TABLE conversation NO FORCE ROW LEVEL SECURITY")
    op.execute("DELETE FROM conversation WHERE deleted_at IS NOT NULL")
    op.execute("SET CONSTRAINTS ALL IMMEDIATE")
    op.execute("ALTER TABLE conversation FORCE ROW LEVEL SECURITY")
    op.drop_column("message_search", "is_hidden")
    op.drop_column("conversation", "deleted_at")
