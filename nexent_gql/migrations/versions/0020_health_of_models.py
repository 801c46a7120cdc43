"""Health of models."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up from the level before."""
    op.create_table(
        "model_health_change",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("error_code", sa.String(), nullable=True),
        sa.Column("advice", sa.String(), nullable=True),
        sa.Column("provider_message", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_health_change")),
        sa.UniqueConstraint("tenant_id", "seq", name=op.f("uq_model_health_change_tenant_id_seq")),
    )
    op.create_index(
        "ix_model_health_change_model", "model_health_change", ["tenant_id", "model_id", "seq"], unique=False
    )
    op.execute("ALTER TABLE model_health_change ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE model_health_change FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON model_health_change FOR ALL TO nexent_app"
        " USING ((tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid))"
    )
    op.execute("GRANT DELETE, INSERT, SELECT, UPDATE ON model_health_change TO nexent_app")


def downgrade() -> None:
    """Go back to it."""
    op.drop_index("ix_model_health_change_model", table_name="model_health_change")
    op.drop_table("model_health_change")
