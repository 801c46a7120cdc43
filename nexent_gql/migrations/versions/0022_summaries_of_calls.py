"""Calls of models past their retention become sums of days."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up from the level before."""
    op.add_column("model_call", sa.Column("calls", sa.Integer(), server_default="1", nullable=False))
    op.add_column("model_call", sa.Column("is_summary", sa.Boolean(), server_default="false", nullable=False))
    op.execute(
        "ALTER TABLE model_call"
        " ALTER input_tokens TYPE bigint,"
        " ALTER output_tokens TYPE bigint,"
        " ALTER cached_tokens TYPE bigint,"
        " ALTER cache_write_tokens TYPE bigint,"
        " ALTER reasoning_tokens TYPE bigint,"
        " ALTER input_tokens SET DEFAULT '0',"
        " ALTER output_tokens SET DEFAULT '0',"
        " ALTER cached_tokens SET DEFAULT '0',"
        " ALTER cache_write_tokens SET DEFAULT '0',"
        " ALTER reasoning_tokens SET DEFAULT '0'"
    )
    op.create_index(
        "ix_model_call_retention",
        "model_call",
        ["created_at"],
        unique=False,
        postgresql_where=sa.text("NOT is_summary"),
    )
    op.execute("CREATE POLICY system_delete ON model_call FOR DELETE TO nexent_system USING (true)")
    op.execute("CREATE POLICY system_insert ON model_call FOR INSERT TO nexent_system WITH CHECK (true)")
    op.execute("CREATE POLICY system_select ON model_call FOR SELECT TO nexent_system USING (true)")
    op.execute("GRANT DELETE, INSERT, SELECT ON model_call TO nexent_system")


def downgrade() -> None:
    """Go back to it."""
    op.drop_index("ix_model_call_retention", table_name="model_call", postgresql_where=sa.text("NOT is_summary"))
    op.execute(
        "ALTER TABLE model_call"
        " ALTER input_tokens DROP DEFAULT,"
        " ALTER output_tokens DROP DEFAULT,"
        " ALTER cached_tokens DROP DEFAULT,"
        " ALTER reasoning_tokens DROP DEFAULT,"
        " ALTER input_tokens TYPE integer,"
        " ALTER output_tokens TYPE integer,"
        " ALTER cached_tokens TYPE integer,"
        " ALTER cache_write_tokens TYPE integer,"
        " ALTER reasoning_tokens TYPE integer"
    )
    op.drop_column("model_call", "is_summary")
    op.drop_column("model_call", "calls")
    op.execute("REVOKE DELETE, INSERT, SELECT ON model_call FROM nexent_system")
    op.execute("DROP POLICY system_delete ON model_call")
    op.execute("DROP POLICY system_insert ON model_call")
    op.execute("DROP POLICY system_select ON model_call")
