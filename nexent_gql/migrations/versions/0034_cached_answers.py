"""Answers of models may be cached."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up from the level before."""
    op.add_column("chat_model", sa.Column("response_cache_s", sa.Integer(), nullable=True))
    op.add_column("model_call", sa.Column("is_cached", sa.Boolean(), server_default="false", nullable=False))


def downgrade() -> None:
    """Go back to it."""
    op.drop_column("model_call", "is_cached")
    op.drop_column("chat_model", "response_cache_s")
