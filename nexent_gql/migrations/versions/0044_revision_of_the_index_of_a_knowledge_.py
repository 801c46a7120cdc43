"""Revision of the index of a knowledge base."""

import sqlalchemy as sa
from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up from the level before."""
    op.add_column(
        "knowledge_base", sa.Column("index_revision", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )


def downgrade() -> None:
    """Go back to it."""
    op.drop_column("knowledge_base", "index_revision")
