"""Documents are added in batches."""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up from the level before."""
    op.create_table(
        "document_batch",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("knowledge_base_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.String(), nullable=True),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("document_count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "knowledge_base_id"],
            ["knowledge_base.tenant_id", "knowledge_base.id"],
            name=op.f("fk_document_batch_tenant_id_knowledge_base_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_document_batch")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_document_batch_tenant_id_id")),
    )
    op.create_index(
        "uq_document_batch_client_id",
        "document_batch",
        ["tenant_id", "knowledge_base_id", "client_id"],
        unique=True,
        postgresql_where=sa.text("client_id IS NOT NULL"),
    )
    op.add_column("document", sa.Column("batch_id", sa.Uuid(), nullable=True))
    op.create_index(
        "ix_document_batch",
        "document",
        ["tenant_id", "batch_id"],
        unique=False,
        postgresql_where=sa.text("batch_id IS NOT NULL"),
    )
    op.create_foreign_key(
        op.f("fk_document_tenant_id_batch_id"),
        "document",
        "document_batch",
        ["tenant_id", "batch_id"],
        ["tenant_id", "id"],
    )
    op.execute("ALTER TABLE document_batch ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE document_batch FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON document_batch FOR ALL TO nexent_app"
        " USING ((tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid))"
    )
    op.execute("GRANT DELETE, INSERT, SELECT, UPDATE ON document_batch TO nexent_app")


def downgrade() -> None:
    """Go back to it."""
    op.drop_constraint(op.f("fk_document_tenant_id_batch_id"), "document", type_="foreignkey")
    op.drop_index("ix_document_batch", table_name="document", postgresql_where=sa.text("batch_id IS NOT NULL"))
    op.drop_column("document", "batch_id")
    op.drop_index(
        "uq_document_batch_client_id", table_name="document_batch", postgresql_where=sa.text("client_id IS NOT NULL")
    )
    op.drop_table("document_batch")
