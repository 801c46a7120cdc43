"""Pinned and archived conversations."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

_COLUMNS = ["tenant_id", "owner_id", "updated_at", "id"]


def upgrade() -> None:
    """Go up from the level before."""
    op.add_column("conversation", sa.Column("pinned_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("conversation", sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True))
    for name, condition in (
        ("recent", "archived_at IS NULL"),
        ("archived", "archived_at IS NOT NULL"),
        ("pinned", "pinned_at IS NOT NULL"),
    ):
        op.create_index(
            f"ix_conversation_{name}", "conversation", _COLUMNS, unique=False, postgresql_where=sa.text(condition)
        )
    op.drop_index("ix_conversation_activity", table_name="conversation")


def downgrade() -> None:
    """Go back to it."""
    op.create_index("ix_conversation_activity", "conversation", _COLUMNS, unique=False)
    for name in ("pinned", "archived", "recent"):
        op.drop_index(f"ix_conversation_{name}", table_name="conversation")
    op.drop_column("conversation", "archived_at")
    op.drop_column("conversation", "pinned_at")
