"""The outbox rings its own bell."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up from the level before."""
    op.execute("""
        CREATE FUNCTION ring_outbox() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF EXISTS (SELECT 1 FROM added) THEN
                PERFORM pg_notify('nexent_outbox', '');
            END IF;
            RETURN NULL;
        END $$
    """)
    op.execute("""
        CREATE TRIGGER bell AFTER INSERT ON outbox REFERENCING NEW TABLE AS added
        FOR EACH STATEMENT EXECUTE FUNCTION ring_outbox()
    """)


def downgrade() -> None:
    """Go down to the level before."""
    op.execute("DROP TRIGGER bell ON outbox")
    op.execute("DROP FUNCTION ring_outbox()")
