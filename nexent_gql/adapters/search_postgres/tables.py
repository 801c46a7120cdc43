"""Tables of the search index in Postgres, derived from the chunks of documents."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Index, Integer, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

from nexent_gql.db.base import Table, timestamp
from nexent_gql.db.vectors import HalfVector


def _of_version() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["tenant_id", "version_id"], ["search_version.tenant_id", "search_version.version_id"], ondelete="CASCADE"
    )


class SearchVersion(Table, table=True):
    """A version of a document in the index; searches find it while `is_live`.

    `space` names the embedding model of its vectors, and `dimensions` is their length. `fence` is that of the last
    switch of its document, 0 before one.
    """

    __table_args__ = (
        Index("ix_search_version_base", "tenant_id", "knowledge_base_id"),
        Index("ix_search_version_document", "tenant_id", "document_id"),
    )

    tenant_id: UUID = Field(primary_key=True)
    version_id: UUID = Field(primary_key=True)
    knowledge_base_id: UUID
    document_id: UUID
    space: str | None = None
    dimensions: int | None = None
    language: str | None = None
    media_type: str | None = None
    created_at: datetime | None = timestamp()
    chunk_count: int
    token_count: int
    is_live: bool = False
    fence: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default=text("0")))


class SearchChunk(Table, table=True):
    """A chunk of a version; `embedding` has length 1."""

    __table_args__ = (_of_version(),)

    tenant_id: UUID = Field(primary_key=True)
    version_id: UUID = Field(primary_key=True)
    ordinal: int = Field(primary_key=True)
    chunk_id: UUID
    embedding: str | None = Field(default=None, sa_column=Column(HalfVector, nullable=True))


class SearchPosting(Table, table=True):
    """The chunks of a version that have a term: their ordinals, how often they have it, and their lengths in terms.

    Row-level security lets Postgres use its B-tree, because the comparisons cannot reveal a hidden row.
    """

    __table_args__ = (_of_version(), Index("ix_search_posting_version", "tenant_id", "version_id"))

    tenant_id: UUID = Field(primary_key=True)
    knowledge_base_id: UUID = Field(primary_key=True)
    term: str = Field(primary_key=True)
    version_id: UUID = Field(primary_key=True)
    ordinals: list[int] = Field(sa_column=Column(ARRAY(Integer), nullable=False))
    frequencies: list[int] = Field(sa_column=Column(ARRAY(Integer), nullable=False))
    lengths: list[int] = Field(sa_column=Column(ARRAY(Integer), nullable=False))
