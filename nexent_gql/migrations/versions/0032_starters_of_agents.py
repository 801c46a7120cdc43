"""Greetings and starters of agents."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up from the level before."""
    op.add_column("agent", sa.Column("greeting", sa.String(), server_default=sa.text("''"), nullable=False))
    op.add_column(
        "agent", sa.Column("starters", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False)
    )


def downgrade() -> None:
    """Go back to it."""
    op.drop_column("agent", "starters")
    op.drop_column("agent", "greeting")
