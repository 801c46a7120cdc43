"""Knowledge graphs."""

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up from the level before."""
    op.create_table(
        "knowledge_graph",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("knowledge_base_id", sa.Uuid(), nullable=False),
        sa.Column("requested_by", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=True),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("code", sa.String(), nullable=True),
        sa.Column("message", sa.String(), nullable=True),
        sa.Column("is_retryable", sa.Boolean(), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "knowledge_base_id"],
            ["knowledge_base.tenant_id", "knowledge_base.id"],
            name=op.f("fk_knowledge_graph_tenant_id_knowledge_base_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_knowledge_graph")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_knowledge_graph_tenant_id_id")),
    )
    op.create_index("ix_knowledge_graph_base", "knowledge_graph", ["tenant_id", "knowledge_base_id"], unique=False)
    op.create_index(
        "uq_knowledge_graph_base",
        "knowledge_graph",
        ["tenant_id", "knowledge_base_id"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "graph_passage",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("graph_id", sa.Uuid(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("content_hash", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "document_id"],
            ["document.tenant_id", "document.id"],
            name=op.f("fk_graph_passage_tenant_id_document_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "graph_id"],
            ["knowledge_graph.tenant_id", "knowledge_graph.id"],
            name=op.f("fk_graph_passage_tenant_id_graph_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_graph_passage")),
        sa.UniqueConstraint(
            "tenant_id",
            "graph_id",
            "document_id",
            "content_hash",
            name=op.f("uq_graph_passage_tenant_id_graph_id_document_id_content_hash"),
        ),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_graph_passage_tenant_id_id")),
    )
    op.create_index("ix_graph_passage_document", "graph_passage", ["tenant_id", "document_id"], unique=False)
    op.create_table(
        "graph_mention",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("passage_id", sa.Uuid(), nullable=False),
        sa.Column("name_key", sa.String(), nullable=False),
        sa.Column("graph_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "passage_id"],
            ["graph_passage.tenant_id", "graph_passage.id"],
            name=op.f("fk_graph_mention_tenant_id_passage_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "passage_id", "name_key", name=op.f("pk_graph_mention")),
    )
    op.create_index("ix_graph_mention_key", "graph_mention", ["tenant_id", "graph_id", "name_key"], unique=False)
    op.create_table(
        "graph_relation",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("passage_id", sa.Uuid(), nullable=False),
        sa.Column("source_key", sa.String(), nullable=False),
        sa.Column("target_key", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("graph_id", sa.Uuid(), nullable=False),
        sa.Column("is_alias", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "passage_id"],
            ["graph_passage.tenant_id", "graph_passage.id"],
            name=op.f("fk_graph_relation_tenant_id_passage_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "tenant_id", "passage_id", "source_key", "target_key", "label", name=op.f("pk_graph_relation")
        ),
    )
    op.create_index("ix_graph_relation_source", "graph_relation", ["tenant_id", "graph_id", "source_key"], unique=False)
    op.create_index("ix_graph_relation_target", "graph_relation", ["tenant_id", "graph_id", "target_key"], unique=False)
    op.create_index(
        "ix_chunk_content", "chunk", ["tenant_id", "document_id", sa.literal_column("md5(content)")], unique=False
    )
    op.execute("ALTER TABLE knowledge_graph ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE knowledge_graph FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON knowledge_graph FOR ALL TO nexent_app"
        " USING ((tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid))"
    )
    op.execute("GRANT DELETE, INSERT, SELECT, UPDATE ON knowledge_graph TO nexent_app")
    op.execute("ALTER TABLE graph_passage ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE graph_passage FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON graph_passage FOR ALL TO nexent_app"
        " USING ((tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid))"
    )
    op.execute("GRANT DELETE, INSERT, SELECT, UPDATE ON graph_passage TO nexent_app")
    op.execute("ALTER TABLE graph_mention ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE graph_mention FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON graph_mention FOR ALL TO nexent_app"
        " USING ((tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid))"
    )
    op.execute("GRANT DELETE, INSERT, SELECT, UPDATE ON graph_mention TO nexent_app")
    op.execute("ALTER TABLE graph_relation ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE graph_relation FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON graph_relation FOR ALL TO nexent_app"
        " USING ((tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid))"
    )
    op.execute("GRANT DELETE, INSERT, SELECT, UPDATE ON graph_relation TO nexent_app")


def downgrade() -> None:
    """Go back to it."""
    op.drop_index("ix_chunk_content", table_name="chunk")
    op.drop_index("ix_graph_relation_target", table_name="graph_relation")
    op.drop_index("ix_graph_relation_source", table_name="graph_relation")
    op.drop_table("graph_relation")
    op.drop_index("ix_graph_mention_key", table_name="graph_mention")
    op.drop_table("graph_mention")
    op.drop_index("ix_graph_passage_document", table_name="graph_passage")
    op.drop_table("graph_passage")
    op.drop_index(
        "uq_knowledge_graph_base", table_name="knowledge_graph", postgresql_where=sa.text("deleted_at IS NULL")
    )
    op.drop_index("ix_knowledge_graph_base", table_name="knowledge_graph")
    op.drop_table("knowledge_graph")
