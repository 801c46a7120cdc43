"""Texts of files, extracted once for the same content."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up from the level before."""
    op.create_table(
        "file_text",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("object_id", sa.Uuid(), nullable=False),
        sa.Column("media_type", sa.String(), nullable=False),
        sa.Column("extractor", sa.String(), nullable=False),
        sa.Column("content", sa.String(), nullable=False),
        sa.Column("structure", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("char_count", sa.Integer(), nullable=False),
        sa.Column("token_count", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(), nullable=True),
        sa.Column("message", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "object_id"],
            ["file_object.tenant_id", "file_object.id"],
            name=op.f("fk_file_text_tenant_id_object_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_file_text")),
        sa.UniqueConstraint(
            "tenant_id",
            "object_id",
            "media_type",
            "extractor",
            name=op.f("uq_file_text_tenant_id_object_id_media_type_extractor"),
        ),
    )
    op.execute("ALTER TABLE file_text ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE file_text FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON file_text FOR ALL TO nexent_app"
        " USING ((tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid))"
    )
    op.execute("GRANT DELETE, INSERT, SELECT, UPDATE ON file_text TO nexent_app")


def downgrade() -> None:
    """Go back to it."""
    op.drop_table("file_text")
