"""Knowledge bases, documents, their versions, texts and chunks."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Index, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field

from nexent_gql.db.base import Table, TenantRow, timestamp
from nexent_gql.db.search import keep_folded
from nexent_gql.domains.knowledge.chunking import DEFAULT_WORDS, ChunkingOptions, ChunkStrategy
from nexent_gql.kernel.json import JsonObject
from nexent_gql.ports.extraction import ExtractedDocument

_DOCUMENT = TypeAdapter(ExtractedDocument)


class KnowledgeAccess(StrEnum):
    """What all users of the tenant can do with a base; groups can do more, see `KnowledgeBaseGrant`."""

    PRIVATE = "PRIVATE"
    TENANT_READ = "TENANT_READ"
    TENANT_WRITE = "TENANT_WRITE"


class KnowledgePermission(StrEnum):
    """What members of a group can do with a base: WRITE includes READ."""

    READ = "READ"
    WRITE = "WRITE"


class DocumentState(StrEnum):
    """QUEUED and PROCESSING end in one of the other three."""

    QUEUED = "QUEUED"
    PROCESSING = "PROCESSING"
    READY = "READY"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


UNFINISHED = (DocumentState.QUEUED, DocumentState.PROCESSING)


class DocumentStage(StrEnum):
    """The steps from a file to chunks that are found, in order."""

    EXTRACT = "EXTRACT"
    CHUNK = "CHUNK"
    INDEX = "INDEX"


class SearchLimitationCode(StrEnum):
    """Why something is searched by words only."""

    NO_EMBEDDING_MODEL = "NO_EMBEDDING_MODEL"
    KEYWORD_ONLY = "KEYWORD_ONLY"
    EMBEDDING_FAILED = "EMBEDDING_FAILED"


class EmbeddingMode(StrEnum):
    """Which embedding model compares documents: a named one, those of a route, the tenant's default, or none."""

    MODEL = "MODEL"
    ROUTE = "ROUTE"
    TENANT_DEFAULT = "TENANT_DEFAULT"
    NONE = "NONE"


@dataclass(frozen=True, slots=True)
class EmbeddingChoice:
    """How documents are compared by meaning.

    Attributes:
        model_id: The embedding model.
        is_keyword_only: They are compared by words only.
        is_default: The model or the route was the tenant's default when the choice was made.
        route_id: The route of embedding models. At most one of model, route and words is chosen; none of them is the
            tenant's default where it has not been looked up, or there is none.
    """

    model_id: UUID | None = None
    is_keyword_only: bool = False
    is_default: bool = False
    route_id: UUID | None = None

    @property
    def mode(self) -> EmbeddingMode:
        """Which kind of choice it is."""
        if self.is_keyword_only:
            return EmbeddingMode.NONE
        if self.is_default or self == EmbeddingChoice():
            return EmbeddingMode.TENANT_DEFAULT
        return EmbeddingMode.MODEL if self.route_id is None else EmbeddingMode.ROUTE


class KnowledgeBase(TenantRow, table=True):
    """A set of documents that are cut alike. A row with `deleted_at` is hidden, and deleted by a job.

    `embedding_model_id` is the model whose vectors the index has, `embedding_route_id` the route of such models.
    `is_default_model` means that it was chosen as the tenant's default; it stays when another one becomes the default.
    Both are null with `is_keyword_only`, and as long as the tenant has no default embedding model.
    `index_number` names the index that searches use, see `index_ids`. `index_revision` increases after each write to it
    and with a switch to another one, see `search_cache`.
    """

    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        ForeignKeyConstraint(["tenant_id", "embedding_model_id"], ["chat_model.tenant_id", "chat_model.id"]),
        ForeignKeyConstraint(["tenant_id", "embedding_route_id"], ["model_route.tenant_id", "model_route.id"]),
        Index("ix_knowledge_base_model", "tenant_id", "embedding_model_id"),
        Index(
            "ix_knowledge_base_route",
            "tenant_id",
            "embedding_route_id",
            postgresql_where=text("embedding_route_id IS NOT NULL"),
        ),
        Index("ix_knowledge_base_page", "tenant_id", "created_at", "id", postgresql_where=text("deleted_at IS NULL")),
    )

    owner_id: UUID
    name: str
    name_key: str = Field(default="", sa_column_kwargs={"server_default": text("''")})
    description: str = ""
    access: str = Field(default=KnowledgeAccess.PRIVATE)
    strategy: str = Field(default=ChunkStrategy.STRUCTURE)
    max_words: int = DEFAULT_WORDS
    overlap_words: int = 20
    child_words: int = 60
    embedding_model_id: UUID | None = None
    embedding_route_id: UUID | None = None
    index_revision: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default=text("0")))
    is_keyword_only: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    is_default_model: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    index_number: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    updated_at: datetime = timestamp(default_now=True)
    deleted_at: datetime | None = timestamp()

    @property
    def chunking(self) -> ChunkingOptions:
        """How its documents are cut."""
        return ChunkingOptions(ChunkStrategy(self.strategy), self.max_words, self.overlap_words, self.child_words)

    @property
    def embedding(self) -> EmbeddingChoice:
        """How the documents that searches find are compared by meaning."""
        return EmbeddingChoice(
            self.embedding_model_id, self.is_keyword_only, self.is_default_model, self.embedding_route_id
        )

    @embedding.setter
    def embedding(self, choice: EmbeddingChoice) -> None:
        self.embedding_model_id, self.embedding_route_id = choice.model_id, choice.route_id
        self.is_keyword_only, self.is_default_model = choice.is_keyword_only, choice.is_default


keep_folded(KnowledgeBase, "name", "name_key")


class KnowledgeBaseGrant(Table, table=True):
    """What the members of a group can do with a base, beyond what `KnowledgeBase.access` lets everybody do."""

    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "knowledge_base_id"], ["knowledge_base.tenant_id", "knowledge_base.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["tenant_id", "group_id"], ["user_group.tenant_id", "user_group.id"], ondelete="CASCADE"),
        Index("ix_knowledge_base_grant_group", "tenant_id", "group_id"),
    )

    knowledge_base_id: UUID = Field(primary_key=True)
    group_id: UUID = Field(primary_key=True)
    tenant_id: UUID
    permission: str = Field(default=KnowledgePermission.READ)
    position: int = 0


class DocumentBatch(TenantRow, table=True):
    """Documents that one call added; `fingerprint` is a hash of its sources, to recognize a repeated call."""

    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        ForeignKeyConstraint(
            ["tenant_id", "knowledge_base_id"], ["knowledge_base.tenant_id", "knowledge_base.id"], ondelete="CASCADE"
        ),
        Index(
            "uq_document_batch_client_id",
            "tenant_id",
            "knowledge_base_id",
            "client_id",
            unique=True,
            postgresql_where=text("client_id IS NOT NULL"),
        ),
    )

    knowledge_base_id: UUID
    client_id: str | None = None
    fingerprint: str
    document_count: int


class Document(TenantRow, table=True):
    """A document of a base. A row with `deleted_at` is hidden, and deleted by a job.

    `latest_version_id` was made last; `current_version_id` is the one whose chunks are found, None before the first is
    READY. `attributes` has lists of values by key.
    """

    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        ForeignKeyConstraint(
            ["tenant_id", "knowledge_base_id"], ["knowledge_base.tenant_id", "knowledge_base.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["tenant_id", "batch_id"], ["document_batch.tenant_id", "document_batch.id"]),
        Index("ix_document_page", "tenant_id", "knowledge_base_id", "created_at", "id"),
        Index("ix_document_batch", "tenant_id", "batch_id", postgresql_where=text("batch_id IS NOT NULL")),
        Index(
            "uq_document_client_id",
            "tenant_id",
            "knowledge_base_id",
            "client_id",
            unique=True,
            postgresql_where=text("client_id IS NOT NULL AND deleted_at IS NULL"),
        ),
    )

    knowledge_base_id: UUID
    name: str
    client_id: str | None = None
    batch_id: UUID | None = None
    created_by: UUID
    latest_version_id: UUID
    current_version_id: UUID | None = None
    attributes: JsonObject = Field(
        default_factory=dict, sa_column=Column(JSONB, nullable=False, server_default=text("'{}'"))
    )
    updated_at: datetime = timestamp(default_now=True)
    deleted_at: datetime | None = timestamp()


class DocumentVersion(TenantRow, table=True):
    """One content of a document, and how far its processing is.

    It comes from `file_id`, a file of `created_by`, from `source_url` or from `source_text`. `code`, `message` and
    `is_retryable` say why it FAILED; `part_failures` which parts of a READY one have no text.
    `index_format`, `index_model`, `index_space` and `index_edits` say how it was put into the index that searches use,
    see `indexing`; `limitation_code` and `limitation_message` why it is found by words only.
    """

    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "document_id", "number"),
        ForeignKeyConstraint(
            ["tenant_id", "document_id"],
            ["document.tenant_id", "document.id"],
            ondelete="CASCADE",
            deferrable=True,
            initially="DEFERRED",
        ),
        ForeignKeyConstraint(["tenant_id", "file_id"], ["file.tenant_id", "file.id"]),
        Index("ix_document_version_file", "tenant_id", "file_id", postgresql_where=text("file_id IS NOT NULL")),
    )

    document_id: UUID
    number: int
    created_by: UUID
    file_id: UUID | None = None
    source_url: str | None = None
    source_text: str | None = None
    state: str = Field(default=DocumentState.QUEUED)
    stage: str = Field(default=DocumentStage.EXTRACT)
    attempts: int = 0
    job_id: UUID | None = None
    code: str | None = None
    message: str | None = None
    is_retryable: bool = False
    edits: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    part_failures: list[JsonObject] = Field(default_factory=list, sa_column=Column(JSONB, nullable=False))
    media_type: str | None = None
    title: str | None = None
    authors: list[str] = Field(
        default_factory=list, sa_column=Column(ARRAY(Text), nullable=False, server_default=text("'{}'"))
    )
    authored_at: datetime | None = timestamp()
    language: str | None = None
    unit_count: int | None = None
    char_count: int | None = None
    chunk_count: int = 0
    index_format: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    index_model: str | None = None
    index_space: str | None = None
    index_edits: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    indexed_at: datetime | None = timestamp()
    limitation_code: str | None = None
    limitation_message: str | None = None
    updated_at: datetime = timestamp(default_now=True)


class KnowledgeEvent(Table, table=True):
    """An event of a base; `seq` counts from 1 in the order of commits, without gaps."""

    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "knowledge_base_id"], ["knowledge_base.tenant_id", "knowledge_base.id"], ondelete="CASCADE"
        ),
        Index("ix_knowledge_event_at", "at"),
    )

    knowledge_base_id: UUID = Field(primary_key=True)
    seq: int = Field(primary_key=True)
    tenant_id: UUID
    at: datetime = timestamp(default_now=True)
    body: JsonObject = Field(sa_column=Column(JSONB, nullable=False))


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A document with its latest version, and the number of the one whose chunks are found."""

    document: Document
    version: DocumentVersion
    current_number: int | None


def _of_version() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["tenant_id", "version_id"], ["document_version.tenant_id", "document_version.id"], ondelete="CASCADE"
    )


class DocumentText(Table, table=True):
    """The text of a version; `structure` holds its units, headings and tables."""

    __table_args__ = (_of_version(),)

    version_id: UUID = Field(primary_key=True)
    tenant_id: UUID
    content: str
    structure: JsonObject = Field(sa_column=Column(JSONB, nullable=False))

    def document(self) -> ExtractedDocument:
        """Return the text with its structure; slow for long texts."""
        return _DOCUMENT.validate_python({"media_type": "", "text": self.content, **self.structure})


class Chunk(TenantRow, table=True):
    """A piece of a version's text, see `chunking.Chunk`; offsets count its characters.

    Users edit `content`, which then is no longer what stands between the offsets, and `keywords`; searches do not find
    a chunk that is not enabled.
    """

    __table_args__ = (
        UniqueConstraint("tenant_id", "version_id", "ordinal"),
        _of_version(),
        Index("ix_chunk_base", "tenant_id", "knowledge_base_id"),
        Index("ix_chunk_content", "tenant_id", "document_id", text("md5(content)")),
        Index("ix_chunk_page", "tenant_id", "version_id", "created_at", "id"),
    )

    knowledge_base_id: UUID
    document_id: UUID
    version_id: UUID
    ordinal: int
    start_offset: int
    end_offset: int
    parent_start: int
    parent_end: int
    content: str
    headings: list[str] = Field(default_factory=list, sa_column=Column(ARRAY(Text), nullable=False))
    unit_kind: str | None = None
    unit_number: int | None = None
    unit_name: str | None = None
    attachment: str | None = None
    table_header: str | None = None
    keywords: list[str] = Field(
        default_factory=list, sa_column=Column(ARRAY(Text), nullable=False, server_default=text("'{}'"))
    )
    is_enabled: bool = Field(default=True, sa_column_kwargs={"server_default": text("true")})
    is_edited: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})

    @property
    def search_text(self) -> str:
        """What is indexed and embedded: headings, table header and keywords in front of its own text."""
        lines = (" > ".join(self.headings), self.table_header or "", ", ".join(self.keywords), self.content)
        return "\n".join(line for line in lines if line)
