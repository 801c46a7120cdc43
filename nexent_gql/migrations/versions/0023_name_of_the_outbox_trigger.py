"""The trigger of the outbox is named for what it does."""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up from the level before."""
    op.execute("ALTER TRIGGER bell ON outbox RENAME TO notify_workers")
    op.execute("ALTER FUNCTION ring_outbox() RENAME TO notify_outbox")


def downgrade() -> None:
    """Go down to the level before."""
    op.execute("ALTER FUNCTION notify_outbox() RENAME TO ring_outbox")
    op.execute("ALTER TRIGGER notify_workers ON outbox RENAME TO bell")
