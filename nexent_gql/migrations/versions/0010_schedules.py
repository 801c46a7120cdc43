"""Schedules are rows, and housekeeping that they start may delete what has ended."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up from the level before."""
    op.create_table(
        "schedule",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("cron", sa.String(), nullable=True),
        sa.Column("time_zone", sa.String(), nullable=False),
        sa.Column("interval_s", sa.Integer(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("work", sa.String(), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("missed", sa.String(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedule")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_schedule_tenant_id_name")),
    )
    op.create_index(
        "ix_schedule_due",
        "schedule",
        ["next_at"],
        unique=False,
        postgresql_where=sa.text("NOT paused AND next_at IS NOT NULL"),
    )
    op.execute("CREATE POLICY system_insert ON job FOR INSERT TO nexent_system WITH CHECK (true)")
    op.execute("GRANT INSERT ON job TO nexent_system")
    op.execute("ALTER TABLE schedule ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE schedule FORCE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY system_select ON schedule FOR SELECT TO nexent_system USING (true)")
    op.execute("CREATE POLICY system_update ON schedule FOR UPDATE TO nexent_system USING (true)")
    op.execute(
        "CREATE POLICY tenant ON schedule FOR ALL TO nexent_app"
        " USING ((tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid))"
    )
    op.execute("GRANT DELETE, INSERT, SELECT, UPDATE ON schedule TO nexent_app")
    op.execute("GRANT SELECT, UPDATE ON schedule TO nexent_system")
    op.execute("CREATE POLICY system_delete ON auth_session FOR DELETE TO nexent_system USING (true)")
    op.execute("GRANT DELETE ON auth_session TO nexent_system")
    op.execute("CREATE POLICY system_delete ON conversation_event FOR DELETE TO nexent_system USING (true)")
    op.execute("CREATE POLICY system_select ON conversation_event FOR SELECT TO nexent_system USING (true)")
    op.execute("GRANT DELETE, SELECT ON conversation_event TO nexent_system")
    op.execute("CREATE POLICY system_select ON run_archive FOR SELECT TO nexent_system USING (true)")
    op.execute("CREATE POLICY system_update ON run_archive FOR UPDATE TO nexent_system USING (true)")
    op.execute("GRANT SELECT, UPDATE ON run_archive TO nexent_system")


def downgrade() -> None:
    """Go back to it."""
    op.drop_index(
        "ix_schedule_due", table_name="schedule", postgresql_where=sa.text("NOT paused AND next_at IS NOT NULL")
    )
    op.drop_table("schedule")
    op.execute("REVOKE INSERT ON job FROM nexent_system")
    op.execute("DROP POLICY system_insert ON job")
    op.execute("REVOKE DELETE ON auth_session FROM nexent_system")
    op.execute("DROP POLICY system_delete ON auth_session")
    op.execute("REVOKE DELETE, SELECT ON conversation_event FROM nexent_system")
    op.execute("DROP POLICY system_delete ON conversation_event")
    op.execute("DROP POLICY system_select ON conversation_event")
    op.execute("REVOKE SELECT, UPDATE ON run_archive FROM nexent_system")
    op.execute("DROP POLICY system_select ON run_archive")
    op.execute("DROP POLICY system_update ON run_archive")
