"""Attributes and authors of documents."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up from the level before."""
    op.add_column(
        "document",
        sa.Column(
            "attributes", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
    )
    op.add_column(
        "document_version",
        sa.Column("authors", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    )
    op.add_column("document_version", sa.Column("authored_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Go back to it."""
    op.drop_column("document_version", "authored_at")
    op.drop_column("document_version", "authors")
    op.drop_column("document", "attributes")
