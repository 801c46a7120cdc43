"""Jobs count failed attempts against a retry policy, and know whose turn they take."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_NO_USER = "'00000000-0000-0000-0000-000000000000'"


def upgrade() -> None:
    """Go up from the level before."""
    op.drop_column("job", "crashes")
    op.add_column("job", sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("job", sa.Column("user_id", sa.Uuid(), server_default=sa.text(_NO_USER), nullable=False))
    op.add_column("job", sa.Column("priority", sa.SmallInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column(
        "job",
        sa.Column("enqueued_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    )
    _rename_queue("agents", "runs")
    op.create_index(
        "ix_job_queued",
        "job",
        ["queue", "priority", "tenant_id", "user_id", "run_after"],
        postgresql_where=sa.text("state = 'QUEUED'"),
    )


def downgrade() -> None:
    """Go down to the level before."""
    op.drop_index("ix_job_queued", table_name="job")
    _rename_queue("runs", "agents")
    op.drop_column("job", "enqueued_at")
    op.drop_column("job", "priority")
    op.drop_column("job", "user_id")
    op.drop_column("job", "failures")
    op.add_column("job", sa.Column("crashes", sa.Integer(), server_default=sa.text("0"), nullable=False))


def _rename_queue(old: str, new: str) -> None:
    """Rename a queue; the owner of the tables sees rows only while row-level security is not forced."""
    op.execute("ALTER TABLE job NO FORCE ROW LEVEL SECURITY")
    op.execute(f"UPDATE job SET queue = '{new}' WHERE queue = '{old}'")  # noqa: S608 - constants
    op.execute("ALTER TABLE job FORCE ROW LEVEL SECURITY")
