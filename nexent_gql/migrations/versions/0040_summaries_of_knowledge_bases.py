"""Summaries of knowledge bases."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up from the level before."""
    op.create_table(
        "knowledge_summary",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("knowledge_base_id", sa.Uuid(), nullable=False),
        sa.Column("requested_by", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.String(), nullable=True),
        sa.Column("model_id", sa.Uuid(), nullable=True),
        sa.Column("language", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("restarts", sa.Integer(), nullable=False),
        sa.Column("content", sa.String(), nullable=False),
        sa.Column("revision", sa.String(), nullable=True),
        sa.Column("grouping", sa.String(), nullable=True),
        sa.Column("document_count", sa.Integer(), nullable=False),
        sa.Column("chunk_count", sa.Integer(), nullable=False),
        sa.Column("read_chunk_count", sa.Integer(), nullable=False),
        sa.Column("group_count", sa.Integer(), nullable=False),
        sa.Column("document_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("planned_calls", sa.Integer(), nullable=False),
        sa.Column("done_calls", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(), nullable=True),
        sa.Column("message", sa.String(), nullable=True),
        sa.Column("is_retryable", sa.Boolean(), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "knowledge_base_id"],
            ["knowledge_base.tenant_id", "knowledge_base.id"],
            name=op.f("fk_knowledge_summary_tenant_id_knowledge_base_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_knowledge_summary")),
    )
    op.create_index(
        "ix_knowledge_summary_base", "knowledge_summary", ["tenant_id", "knowledge_base_id", "created_at"], unique=False
    )
    op.create_index(
        "uq_knowledge_summary_client_id",
        "knowledge_summary",
        ["tenant_id", "knowledge_base_id", "client_id"],
        unique=True,
        postgresql_where=sa.text("client_id IS NOT NULL"),
    )
    op.execute("ALTER TABLE knowledge_summary ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE knowledge_summary FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON knowledge_summary FOR ALL TO nexent_app"
        " USING ((tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid))"
    )
    op.execute("GRANT DELETE, INSERT, SELECT, UPDATE ON knowledge_summary TO nexent_app")


def downgrade() -> None:
    """Go back to it."""
    op.drop_index(
        "uq_knowledge_summary_client_id",
        table_name="knowledge_summary",
        postgresql_where=sa.text("client_id IS NOT NULL"),
    )
    op.drop_index("ix_knowledge_summary_base", table_name="knowledge_summary")
    op.drop_table("knowledge_summary")
