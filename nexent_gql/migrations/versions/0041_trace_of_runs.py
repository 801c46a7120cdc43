"""Trace of runs."""

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up from the level before."""
    op.add_column("run", sa.Column("traceparent", sa.String(), nullable=True))


def downgrade() -> None:
    """Go back to it."""
    op.drop_column("run", "traceparent")
