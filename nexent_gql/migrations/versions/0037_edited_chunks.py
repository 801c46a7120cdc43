"""Chunks are edited by hand."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up from the level before."""
    op.add_column(
        "chunk", sa.Column("keywords", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False)
    )
    op.add_column("chunk", sa.Column("is_enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False))
    op.add_column("chunk", sa.Column("is_edited", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("document_version", sa.Column("edits", sa.Integer(), server_default=sa.text("0"), nullable=False))


def downgrade() -> None:
    """Go back to it."""
    op.drop_column("document_version", "edits")
    op.drop_column("chunk", "is_edited")
    op.drop_column("chunk", "is_enabled")
    op.drop_column("chunk", "keywords")
