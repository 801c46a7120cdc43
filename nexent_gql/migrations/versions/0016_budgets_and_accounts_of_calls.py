"""Budgets limit what model calls may cost, and calls are accounted for while they are made."""

import sqlalchemy as sa
from alembic import op

from nexent_gql.migrations.call_columns import identity_columns, usage_columns

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up from the level before."""
    op.create_table(
        "budget",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("period", sa.String(), nullable=False),
        sa.Column("time_zone", sa.String(), nullable=False),
        sa.Column("limit_usd", sa.Numeric(precision=20, scale=10), nullable=True),
        sa.Column("limit_tokens", sa.BigInteger(), nullable=True),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=True),
        sa.Column("spent_usd", sa.Numeric(precision=20, scale=10), server_default="0", nullable=False),
        sa.Column("spent_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budget")),
        sa.UniqueConstraint(
            "tenant_id", "scope", "subject_id", "period", name=op.f("uq_budget_tenant_id_scope_subject_id_period")
        ),
    )
    op.create_index("ix_budget_page", "budget", ["tenant_id", "created_at", "id"], unique=False)
    op.create_table(
        "open_model_call",
        *identity_columns(),
        sa.Column("api_key_id", sa.Uuid(), nullable=True),
        *usage_columns(),
        sa.Column("reserved_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("reserved_usd", sa.Numeric(precision=20, scale=10), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_open_model_call")),
    )
    op.create_index("ix_open_model_call_lease", "open_model_call", ["lease_until"], unique=False)
    op.create_index("ix_open_model_call_tenant", "open_model_call", ["tenant_id"], unique=False)
    op.add_column("model_call", sa.Column("api_key_id", sa.Uuid(), nullable=True))
    op.add_column("model_call", sa.Column("cache_write_tokens", sa.Integer(), server_default="0", nullable=False))
    op.add_column("run", sa.Column("api_key_id", sa.Uuid(), nullable=True))
    op.add_column("run", sa.Column("cache_write_tokens", sa.Integer(), server_default="0", nullable=False))
    op.add_column("run", sa.Column("cost_usd", sa.Numeric(precision=20, scale=10), nullable=True))
    op.add_column("run", sa.Column("model_name", sa.String(), nullable=True))
    op.execute("ALTER TABLE budget ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE budget FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON budget FOR ALL TO nexent_app"
        " USING ((tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid))"
    )
    op.execute("GRANT DELETE, INSERT, SELECT, UPDATE ON budget TO nexent_app")
    op.execute("ALTER TABLE open_model_call ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE open_model_call FORCE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY system_select ON open_model_call FOR SELECT TO nexent_system USING (true)")
    op.execute(
        "CREATE POLICY tenant ON open_model_call FOR ALL TO nexent_app"
        " USING ((tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid))"
    )
    op.execute("GRANT DELETE, INSERT, SELECT, UPDATE ON open_model_call TO nexent_app")
    op.execute("GRANT SELECT ON open_model_call TO nexent_system")


def downgrade() -> None:
    """Go back to it."""
    op.drop_column("run", "model_name")
    op.drop_column("run", "cost_usd")
    op.drop_column("run", "cache_write_tokens")
    op.drop_column("run", "api_key_id")
    op.drop_column("model_call", "cache_write_tokens")
    op.drop_column("model_call", "api_key_id")
    op.drop_index("ix_open_model_call_tenant", table_name="open_model_call")
    op.drop_index("ix_open_model_call_lease", table_name="open_model_call")
    op.drop_table("open_model_call")
    op.drop_index("ix_budget_page", table_name="budget")
    op.drop_table("budget")
