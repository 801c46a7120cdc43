"""Add the search index of messages."""

from uuid import UUID

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from nexent_gql.domains.conversations.search import search_vector

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_BATCH = 500
_TABLES = ("conversation", "message", "message_search")
_READ = sa.text("""
    SELECT message.id, message.tenant_id, conversation.owner_id, message.created_at, message.text
      FROM message JOIN conversation
        ON conversation.tenant_id = message.tenant_id AND conversation.id = message.conversation_id
     WHERE message.id > :last ORDER BY message.id LIMIT :most
""")
_WRITE = sa.text("""
    INSERT INTO message_search (message_id, tenant_id, owner_id, created_at, vector)
    VALUES (:id, :tenant_id, :owner_id, :created_at, CAST(:vector AS tsvector))
""")


def upgrade() -> None:
    """Go up from the level before."""
    op.create_table(
        "message_search",
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("vector", postgresql.TSVECTOR(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "message_id"],
            ["message.tenant_id", "message.id"],
            name="fk_message_search_tenant_id_message_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("message_id", name="pk_message_search"),
    )
    op.execute("ALTER TABLE message_search ENABLE ROW LEVEL SECURITY")
    _fill()
    op.create_index("ix_message_search_page", "message_search", ["tenant_id", "owner_id", "created_at", "message_id"])
    op.create_index("ix_message_search_vector", "message_search", ["vector"], postgresql_using="gin")
    op.execute("CREATE POLICY system_select ON message_search FOR SELECT TO nexent_system USING (true)")
    op.execute(
        "CREATE POLICY tenant ON message_search FOR ALL TO nexent_app"
        " USING ((tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid))"
    )
    op.execute("GRANT DELETE, INSERT, SELECT, UPDATE ON message_search TO nexent_app")
    op.execute("GRANT SELECT ON message_search TO nexent_system")


def downgrade() -> None:
    """Go down to the level before."""
    op.drop_table("message_search")


def _fill() -> None:
    """Index the messages there are; the owner of the tables sees rows only while row-level security is not forced."""
    for table in ("conversation", "message"):
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    connection, last = op.get_bind(), UUID(int=0)
    while rows := connection.execute(_READ, {"last": last, "most": _BATCH}).mappings().all():
        vectors = [{**row, "vector": search_vector(row["owner_id"], row["text"])} for row in rows]
        if values := [row for row in vectors if row["vector"]]:
            connection.execute(_WRITE, values)
        last = rows[-1]["id"]
    for table in _TABLES:
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
