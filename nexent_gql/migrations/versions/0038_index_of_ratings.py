"""Index of rated answers."""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up from the level before."""
    op.create_index(
        "ix_message_rating",
        "message",
        ["tenant_id", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("rating IS NOT NULL"),
    )


def downgrade() -> None:
    """Go back to it."""
    op.drop_index("ix_message_rating", table_name="message", postgresql_where=sa.text("rating IS NOT NULL"))
