"""Defaults of other kinds than chat have a column of their own, and old changes of health are deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up from the level before."""
    op.add_column("chat_model", sa.Column("is_other_default", sa.Boolean(), server_default="false", nullable=False))
    _update("is_other_default = true, is_default = false WHERE is_default AND kind <> 'CHAT'")
    op.create_index(
        "uq_chat_model_other_default",
        "chat_model",
        ["tenant_id", "kind"],
        unique=True,
        postgresql_where=sa.text("is_other_default"),
    )
    op.execute("CREATE POLICY system_delete ON model_health_change FOR DELETE TO nexent_system USING (true)")
    op.execute("CREATE POLICY system_select ON model_health_change FOR SELECT TO nexent_system USING (true)")
    op.execute("GRANT DELETE, SELECT ON model_health_change TO nexent_system")


def downgrade() -> None:
    """Go back to it."""
    op.execute("REVOKE DELETE, SELECT ON model_health_change FROM nexent_system")
    op.execute("DROP POLICY system_select ON model_health_change")
    op.execute("DROP POLICY system_delete ON model_health_change")
    op.drop_index("uq_chat_model_other_default", table_name="chat_model", postgresql_where=sa.text("is_other_default"))
    _update("is_default = true WHERE is_other_default")
    op.drop_column("chat_model", "is_other_default")


def _update(change: str) -> None:
    """Update the models of all tenants; otherwise the owner of a table is subject to its policies too."""
    op.execute("ALTER TABLE chat_model NO FORCE ROW LEVEL SECURITY")
    op.execute(f"UPDATE chat_model SET {change}")  # noqa: S608
    op.execute("ALTER TABLE chat_model FORCE ROW LEVEL SECURITY")
