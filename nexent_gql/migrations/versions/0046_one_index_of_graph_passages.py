"""One index of graph passages: without statistics, searches by another one read a graph once for each passage."""

from alembic import op

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up from the level before."""
    op.drop_index("ix_graph_passage_graph", table_name="graph_passage")


def downgrade() -> None:
    """Go back to it."""
    op.create_index("ix_graph_passage_graph", "graph_passage", ["tenant_id", "graph_id"], unique=False)
