"""Files, the objects that hold their content, and uploads."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from nexent_gql.db.base import TenantRow, timestamp
from nexent_gql.db.search import keep_folded
from nexent_gql.kernel.json import JsonObject


class FileObject(TenantRow, table=True):
    """Content that is stored once in a tenant; deleted with the last file that refers to it.

    `key` is the key in the object storage, which is never used again.
    """

    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "sha256"),
        Index("ix_file_object_key", "key"),
        CheckConstraint("size_bytes > 0", name="size_bytes"),
    )

    key: str
    sha256: str
    size_bytes: int = Field(sa_type=BigInteger)


class File(TenantRow, table=True):
    """A file of one user. Size, type and hash are those of the content, and never change.

    `name_key` is the name as searches compare it, `preview` the beginning of a text. What follows `preview` is only
    known once the text was extracted.
    """

    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        ForeignKeyConstraint(["tenant_id", "object_id"], ["file_object.tenant_id", "file_object.id"]),
        Index("ix_file_page", "tenant_id", "owner_id", "created_at", "id"),
        Index("ix_file_activity", "tenant_id", "owner_id", "updated_at", "id"),
        Index("ix_file_object_id", "tenant_id", "object_id"),
    )

    owner_id: UUID
    object_id: UUID
    name: str
    name_key: str = Field(default="", sa_column_kwargs={"server_default": text("''")})
    content_type: str
    size_bytes: int = Field(sa_type=BigInteger)
    sha256: str
    preview: str | None = None
    page_count: int | None = None
    title: str | None = None
    author: str | None = None
    language: str | None = None
    authored_at: datetime | None = timestamp()
    updated_at: datetime = timestamp(default_now=True)


keep_folded(File, "name", "name_key")


class FileUpload(TenantRow, table=True):
    """Content on its way into a file, in parts of `part_bytes`, the last one shorter.

    `content_type` and `sha256` are what the client announced. `file_id` is the file that it became; the file may have
    been deleted since. Rows are deleted some time after `expires_at`.
    """

    __table_args__ = (
        Index(
            "uq_file_upload_client_id",
            "tenant_id",
            "owner_id",
            "client_id",
            unique=True,
            postgresql_where=text("client_id IS NOT NULL"),
        ),
        Index("ix_file_upload_expires_at", "expires_at"),
        Index("ix_file_upload_pending", "tenant_id", postgresql_where=text("file_id IS NULL")),
        CheckConstraint("size_bytes > 0 AND part_bytes > 0", name="sizes"),
    )

    owner_id: UUID
    client_id: str | None = None
    request_hash: str
    name: str
    size_bytes: int = Field(sa_type=BigInteger)
    part_bytes: int = Field(sa_type=BigInteger)
    content_type: str | None = None
    sha256: str | None = None
    file_id: UUID | None = None
    expires_at: datetime = timestamp()


class FileText(TenantRow, table=True):
    """The text of stored content, extracted once for all files of a tenant that have it; deleted with the content.

    `code` and `message` say why there is none. `extractor` names the release of the extraction. `structure`
    holds all of the `ExtractedDocument` but its text; in rows of earlier releases only units, headings and tables.
    `token_count` is an estimate.
    """

    __table_args__ = (
        UniqueConstraint("tenant_id", "object_id", "media_type", "extractor"),
        ForeignKeyConstraint(
            ["tenant_id", "object_id"], ["file_object.tenant_id", "file_object.id"], ondelete="CASCADE"
        ),
    )

    object_id: UUID
    media_type: str
    extractor: str
    content: str = ""
    structure: JsonObject = Field(default_factory=JsonObject, sa_column=Column(JSONB, nullable=False))
    char_count: int = 0
    token_count: int = 0
    code: str | None = None
    message: str | None = None
