"""Add the time zone of users."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up from the level before."""
    op.add_column("user_account", sa.Column("time_zone", sa.String(), nullable=True))


def downgrade() -> None:
    """Go down to the level before."""
    op.drop_column("user_account", "time_zone")
