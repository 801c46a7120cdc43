"""Documents come from addresses of the web too."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up from the level before."""
    op.add_column("document_version", sa.Column("source_url", sa.String(), nullable=True))


def downgrade() -> None:
    """Go back to it."""
    op.drop_column("document_version", "source_url")
