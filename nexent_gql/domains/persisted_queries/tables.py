"""Trusted documents. They belong to the installation, not to a tenant; operators register them."""

from datetime import datetime

from sqlmodel import Field

from nexent_gql.db.base import Table, timestamp


class PersistedDocument(Table, table=True):
    """A document that clients send by `id`; neither ever changes.

    `id` is the hash that the client's build tool computed, by any algorithm. `digest` is the SHA-256 of `text` in
    hexadecimal digits.
    """

    id: str = Field(primary_key=True)
    digest: str
    text: str
    created_at: datetime = timestamp(default_now=True)
