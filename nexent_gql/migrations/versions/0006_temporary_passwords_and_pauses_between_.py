"""Temporary passwords, and pauses between guesses."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up from the level before."""
    op.add_column("sign_in_throttle", sa.Column("next_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("user_account", sa.Column("temporary_until", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Go back to it."""
    op.drop_column("user_account", "temporary_until")
    op.drop_column("sign_in_throttle", "next_at")
