"""Groups and access of knowledge bases."""

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up from the level before."""
    op.create_table(
        "user_group",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("name_key", sa.String(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_user_group_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_group")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_user_group_tenant_id_id")),
        sa.UniqueConstraint("tenant_id", "name_key", name="uq_user_group_name_key"),
    )
    op.create_index("ix_user_group_page", "user_group", ["tenant_id", "created_at", "id"], unique=False)
    op.create_table(
        "group_member",
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "group_id"],
            ["user_group.tenant_id", "user_group.id"],
            name=op.f("fk_group_member_tenant_id_group_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["user_account.tenant_id", "user_account.id"],
            name=op.f("fk_group_member_tenant_id_user_id"),
        ),
        sa.PrimaryKeyConstraint("group_id", "user_id", name=op.f("pk_group_member")),
    )
    op.create_index("ix_group_member_user", "group_member", ["tenant_id", "user_id"], unique=False)
    op.create_table(
        "knowledge_base_grant",
        sa.Column("knowledge_base_id", sa.Uuid(), nullable=False),
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("permission", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "group_id"],
            ["user_group.tenant_id", "user_group.id"],
            name=op.f("fk_knowledge_base_grant_tenant_id_group_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "knowledge_base_id"],
            ["knowledge_base.tenant_id", "knowledge_base.id"],
            name=op.f("fk_knowledge_base_grant_tenant_id_knowledge_base_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("knowledge_base_id", "group_id", name=op.f("pk_knowledge_base_grant")),
    )
    op.create_index("ix_knowledge_base_grant_group", "knowledge_base_grant", ["tenant_id", "group_id"], unique=False)
    op.execute("ALTER TABLE user_group ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE user_group FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON user_group FOR ALL TO nexent_app"
        " USING ((tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid))"
    )
    op.execute("GRANT DELETE, INSERT, SELECT, UPDATE ON user_group TO nexent_app")
    op.execute("ALTER TABLE group_member ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE group_member FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON group_member FOR ALL TO nexent_app"
        " USING ((tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid))"
    )
    op.execute("GRANT DELETE, INSERT, SELECT, UPDATE ON group_member TO nexent_app")
    op.execute("ALTER TABLE knowledge_base_grant ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE knowledge_base_grant FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON knowledge_base_grant FOR ALL TO nexent_app"
        " USING ((tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid))"
    )
    op.execute("GRANT DELETE, INSERT, SELECT, UPDATE ON knowledge_base_grant TO nexent_app")


def downgrade() -> None:
    """Go back to it."""
    op.drop_index("ix_knowledge_base_grant_group", table_name="knowledge_base_grant")
    op.drop_table("knowledge_base_grant")
    op.drop_index("ix_group_member_user", table_name="group_member")
    op.drop_table("group_member")
    op.drop_index("ix_user_group_page", table_name="user_group")
    op.drop_table("user_group")
