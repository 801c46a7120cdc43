"""Alembic's environment; `nexent_gql.migrations` passes it the connection."""

from typing import cast

from alembic import context
from sqlalchemy import Connection

from nexent_gql.migrations.security import add_security, render_plain_strings
from nexent_gql.tables import metadata

context.configure(
    connection=cast("Connection", context.config.attributes["connection"]),
    target_metadata=metadata,
    transaction_per_migration=True,
    compare_server_default=True,
    render_item=render_plain_strings,
    process_revision_directives=add_security,
)
with context.begin_transaction():
    context.run_migrations()
