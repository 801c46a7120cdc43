"""Failures of runs and checks of models keep the provider's message."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up from the level before."""
    op.add_column("chat_model", sa.Column("last_check_provider_message", sa.String(), nullable=True))
    op.add_column("run", sa.Column("provider_message", sa.String(), nullable=True))
    op.add_column("run", sa.Column("retry_after_s", sa.Float(), nullable=True))


def downgrade() -> None:
    """Go down to the level before."""
    op.drop_column("run", "retry_after_s")
    op.drop_column("run", "provider_message")
    op.drop_column("chat_model", "last_check_provider_message")
