"""Knowledge bases have events."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up from the level before."""
    op.create_table(
        "knowledge_event",
        sa.Column("knowledge_base_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "knowledge_base_id"],
            ["knowledge_base.tenant_id", "knowledge_base.id"],
            name=op.f("fk_knowledge_event_tenant_id_knowledge_base_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("knowledge_base_id", "seq", name=op.f("pk_knowledge_event")),
    )
    op.create_index("ix_knowledge_event_at", "knowledge_event", ["at"], unique=False)
    op.execute("ALTER TABLE knowledge_event ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE knowledge_event FORCE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY system_delete ON knowledge_event FOR DELETE TO nexent_system USING (true)")
    op.execute("CREATE POLICY system_select ON knowledge_event FOR SELECT TO nexent_system USING (true)")
    op.execute(
        "CREATE POLICY tenant ON knowledge_event FOR ALL TO nexent_app"
        " USING ((tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid))"
    )
    op.execute("GRANT DELETE, INSERT, SELECT, UPDATE ON knowledge_event TO nexent_app")
    op.execute("GRANT DELETE, SELECT ON knowledge_event TO nexent_system")


def downgrade() -> None:
    """Go back to it."""
    op.drop_index("ix_knowledge_event_at", table_name="knowledge_event")
    op.drop_table("knowledge_event")
