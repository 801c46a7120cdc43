"""Each call of a model is accounted for."""

import sqlalchemy as sa
from alembic import op

from nexent_gql.migrations.call_columns import identity_columns, usage_columns

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up from the level before."""
    op.create_table(
        "model_call",
        *identity_columns(),
        *usage_columns(),
        sa.Column("cached_tokens", sa.Integer(), nullable=False),
        sa.Column("reasoning_tokens", sa.Integer(), nullable=False),
        sa.Column("is_estimated", sa.Boolean(), nullable=False),
        sa.Column("cost_usd", sa.Numeric(precision=20, scale=10), nullable=True),
        sa.Column("latency_ms", sa.Integer(), nullable=False),
        sa.Column("first_token_ms", sa.Integer(), nullable=True),
        sa.Column("error_code", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_call")),
    )
    op.create_index("ix_model_call_run", "model_call", ["tenant_id", "run_id"], unique=False)
    op.create_index("ix_model_call_time", "model_call", ["tenant_id", "created_at"], unique=False)
    op.create_index("ix_model_call_user", "model_call", ["tenant_id", "user_id", "created_at"], unique=False)
    op.execute("ALTER TABLE model_call ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE model_call FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON model_call FOR ALL TO nexent_app"
        " USING ((tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid))"
    )
    op.execute("GRANT DELETE, INSERT, SELECT, UPDATE ON model_call TO nexent_app")


def downgrade() -> None:
    """Go back to it."""
    op.drop_index("ix_model_call_user", table_name="model_call")
    op.drop_index("ix_model_call_time", table_name="model_call")
    op.drop_index("ix_model_call_run", table_name="model_call")
    op.drop_table("model_call")
