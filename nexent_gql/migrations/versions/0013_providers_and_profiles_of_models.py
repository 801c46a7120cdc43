"""Models know their provider, what they can do and their own time limits."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up from the level before."""
    op.add_column("chat_model", sa.Column("provider", sa.String(), nullable=True))
    op.add_column("chat_model", sa.Column("api_version", sa.String(), nullable=True))
    op.add_column(
        "chat_model", sa.Column("profile", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False)
    )
    op.add_column(
        "chat_model",
        sa.Column("learned_profile", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
    )
    op.add_column(
        "chat_model",
        sa.Column("deadlines", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
    )


def downgrade() -> None:
    """Go back to it."""
    op.drop_column("chat_model", "deadlines")
    op.drop_column("chat_model", "learned_profile")
    op.drop_column("chat_model", "profile")
    op.drop_column("chat_model", "api_version")
    op.drop_column("chat_model", "provider")
