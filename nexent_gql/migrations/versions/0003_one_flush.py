"""A conversation and what is in it are written in any order, and so by one flush."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TABLES = ("message", "conversation_event", "run")


def upgrade() -> None:
    """Go up from the level before."""
    _alter("DEFERRABLE INITIALLY DEFERRED")


def downgrade() -> None:
    """Go down to the level before."""
    _alter("NOT DEFERRABLE")


def _alter(when: str) -> None:
    for table in _TABLES:
        op.execute(f"ALTER TABLE {table} ALTER CONSTRAINT fk_{table}_tenant_id_conversation_id {when}")
