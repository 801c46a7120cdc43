"""Messages have parts; null where a message is text alone, as in every row that an older release writes."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up from the level before."""
    op.add_column("message", sa.Column("parts", postgresql.JSONB(astext_type=sa.Text(), none_as_null=True)))


def downgrade() -> None:
    """Go down to the level before."""
    op.drop_column("message", "parts")
