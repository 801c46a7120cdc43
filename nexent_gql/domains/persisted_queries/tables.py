"""Trusted documents. They belong to the installation, not to a tenant: whoever deploys it registers them."""

from datetime import datetime

from sqlmodel import Field

from nexent_gql.db.base import Table, timestamp


class PersistedDocument(Table, table=True):
    """A document that clients may name by `id`; neither ever changes.

    `id` is what a client's build tool calls it: a hash, but which one and of what is the tool's affair. `digest` is
    the SHA-256 of `text` in hexadecimal digits.
    """

    id: str = Field(primary_key=True)
    digest: str
    text: str
    created_at: datetime = timestamp(default_now=True)
