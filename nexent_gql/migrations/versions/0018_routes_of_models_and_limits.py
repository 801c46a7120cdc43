"""Routes of models, and limits of each model."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up from the level before."""
    op.create_table(
        "model_route",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("mid_answer_policy", sa.String(), nullable=False),
        sa.Column("first_token_s", sa.Float(), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_route")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_model_route_tenant_id_id")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_model_route_tenant_id_name")),
    )
    op.create_index("ix_model_route_page", "model_route", ["tenant_id", "created_at", "id"], unique=False)
    op.create_table(
        "model_route_deployment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("route_id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("group_number", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("weight", sa.Integer(), nullable=False),
        sa.CheckConstraint("weight BETWEEN 1 AND 1000", name=op.f("ck_model_route_deployment_weight")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "model_id"],
            ["chat_model.tenant_id", "chat_model.id"],
            name=op.f("fk_model_route_deployment_tenant_id_model_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "route_id"],
            ["model_route.tenant_id", "model_route.id"],
            name=op.f("fk_model_route_deployment_tenant_id_route_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_route_deployment")),
        sa.UniqueConstraint(
            "tenant_id", "route_id", "model_id", name=op.f("uq_model_route_deployment_tenant_id_route_id_model_id")
        ),
    )
    op.create_index(
        "ix_model_route_deployment_model", "model_route_deployment", ["tenant_id", "model_id"], unique=False
    )
    op.add_column("agent", sa.Column("route_id", sa.Uuid(), nullable=True))
    op.create_index(
        "ix_agent_route",
        "agent",
        ["tenant_id", "route_id"],
        unique=False,
        postgresql_where=sa.text("route_id IS NOT NULL"),
    )
    op.create_foreign_key(
        op.f("fk_agent_tenant_id_route_id"), "agent", "model_route", ["tenant_id", "route_id"], ["tenant_id", "id"]
    )
    op.add_column(
        "chat_model", sa.Column("limits", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False)
    )
    op.execute("ALTER TABLE model_route ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE model_route FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON model_route FOR ALL TO nexent_app"
        " USING ((tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid))"
    )
    op.execute("GRANT DELETE, INSERT, SELECT, UPDATE ON model_route TO nexent_app")
    op.execute("ALTER TABLE model_route_deployment ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE model_route_deployment FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON model_route_deployment FOR ALL TO nexent_app"
        " USING ((tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid))"
    )
    op.execute("GRANT DELETE, INSERT, SELECT, UPDATE ON model_route_deployment TO nexent_app")


def downgrade() -> None:
    """Go back to it."""
    op.drop_column("chat_model", "limits")
    op.drop_constraint(op.f("fk_agent_tenant_id_route_id"), "agent", type_="foreignkey")
    op.drop_index("ix_agent_route", table_name="agent", postgresql_where=sa.text("route_id IS NOT NULL"))
    op.drop_column("agent", "route_id")
    op.drop_index("ix_model_route_deployment_model", table_name="model_route_deployment")
    op.drop_table("model_route_deployment")
    op.drop_index("ix_model_route_page", table_name="model_route")
    op.drop_table("model_route")
