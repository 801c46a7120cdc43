"""Deleted agents keep their name only."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up from the level before; the owner of the tables sees rows only while row-level security is not forced."""
    op.execute("ALTER TABLE agent NO FORCE ROW LEVEL SECURITY")
    op.execute(
        "UPDATE agent SET description = '', instructions = '', tool_names = '{}', model_id = NULL"
        " WHERE deleted_at IS NOT NULL"
    )
    op.execute("ALTER TABLE agent FORCE ROW LEVEL SECURITY")


def downgrade() -> None:
    """Go down to the level before; what was deleted stays deleted."""
