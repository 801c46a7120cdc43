"""Workers choose jobs fairly; messages that cannot be delivered are parked; workers announce their queues."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up from the level before."""
    op.drop_index("ix_job_due", table_name="job")
    op.drop_column("job", "woken_at")
    op.add_column("job", sa.Column("can_rerun", sa.Boolean(), server_default=sa.text("true"), nullable=False))
    op.create_index(
        "ix_job_background", "job", ["run_after"], postgresql_where=sa.text("state = 'QUEUED' AND priority > 0")
    )
    op.add_column("outbox", sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("outbox", sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("outbox", sa.Column("parked_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("outbox", sa.Column("error", sa.String(), nullable=True))
    op.create_table(
        "job_worker",
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("queues", sa.ARRAY(sa.String()), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("owner", name="pk_job_worker"),
    )
    op.execute("ALTER TABLE job_worker ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE job_worker FORCE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY system_delete ON job_worker FOR DELETE TO nexent_system USING (true)")
    op.execute("CREATE POLICY system_insert ON job_worker FOR INSERT TO nexent_system WITH CHECK (true)")
    op.execute("CREATE POLICY system_select ON job_worker FOR SELECT TO nexent_system USING (true)")
    op.execute("CREATE POLICY system_update ON job_worker FOR UPDATE TO nexent_system USING (true)")
    op.execute("GRANT DELETE, INSERT, SELECT, UPDATE ON job_worker TO nexent_system")


def downgrade() -> None:
    """Go down to the level before."""
    op.drop_table("job_worker")
    for column in ("error", "parked_at", "retry_at", "failures"):
        op.drop_column("outbox", column)
    op.drop_index("ix_job_background", table_name="job")
    op.drop_column("job", "can_rerun")
    op.add_column("job", sa.Column("woken_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_job_due", "job", ["run_after"], postgresql_where=sa.text("state = 'QUEUED'"))
