"""Models have a kind, and a default for each kind."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up from the level before."""
    op.add_column("chat_model", sa.Column("kind", sa.String(), server_default="CHAT", nullable=False))
    op.drop_index("uq_chat_model_default", table_name="chat_model", postgresql_where=sa.text("is_default"))
    op.create_index(
        "uq_chat_model_default",
        "chat_model",
        ["tenant_id", "kind"],
        unique=True,
        postgresql_where=sa.text("is_default"),
    )
    for table in ("model_call", "open_model_call"):
        op.add_column(table, sa.Column("kind", sa.String(), server_default="CHAT", nullable=False))


def downgrade() -> None:
    """Go back to it; models that the release before could not distinguish from chat models are deleted."""
    op.drop_column("open_model_call", "kind")
    op.drop_column("model_call", "kind")
    op.execute("DELETE FROM chat_model WHERE kind <> 'CHAT'")
    op.drop_index("uq_chat_model_default", table_name="chat_model", postgresql_where=sa.text("is_default"))
    op.create_index(
        "uq_chat_model_default",
        "chat_model",
        ["tenant_id"],
        unique=True,
        postgresql_where=sa.text("is_default"),
    )
    op.drop_column("chat_model", "kind")
