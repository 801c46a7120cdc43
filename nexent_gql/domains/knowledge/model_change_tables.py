"""Changes of the embedding models of bases, and what is in the index that a change builds or keeps."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, text
from sqlmodel import Field

from nexent_gql.db.base import Table, TenantRow, timestamp
from nexent_gql.domains.knowledge.tables import EmbeddingChoice


class EmbeddingModelChangeState(StrEnum):
    """EMBEDDING becomes SWITCHED, FAILED or CANCELLED, and SWITCHED becomes COMPLETED or, over REVERTING, REVERTED."""

    EMBEDDING = "EMBEDDING"
    SWITCHED = "SWITCHED"
    REVERTING = "REVERTING"
    COMPLETED = "COMPLETED"
    REVERTED = "REVERTED"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"


RUNNING_CHANGES = (EmbeddingModelChangeState.EMBEDDING, EmbeddingModelChangeState.REVERTING)
OPEN_CHANGES = (*RUNNING_CHANGES, EmbeddingModelChangeState.SWITCHED)


class EmbeddingModelChange(TenantRow, table=True):
    """A change of the embedding model of a base: documents are put into another index, to which searches then switch.

    `index_number`, `model_id`, `route_id`, `is_keyword_only` and `is_default_model` are those after the change,
    `previous_...` those before. `step` counts its jobs. `code`, `message` and `is_retryable` say why the change, or its
    last revert, failed. `is_cleaned` means that the index which it no longer needs was deleted: its number is free.
    """

    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "knowledge_base_id"], ["knowledge_base.tenant_id", "knowledge_base.id"], ondelete="CASCADE"
        ),
        Index("ix_embedding_model_change_base", "tenant_id", "knowledge_base_id", "created_at"),
        Index(
            "uq_embedding_model_change_open",
            "tenant_id",
            "knowledge_base_id",
            unique=True,
            postgresql_where=text("state IN ('EMBEDDING', 'SWITCHED', 'REVERTING')"),
        ),
    )

    knowledge_base_id: UUID
    requested_by: UUID
    state: str = Field(default=EmbeddingModelChangeState.EMBEDDING)
    index_number: int
    model_id: UUID | None = None
    route_id: UUID | None = None
    is_keyword_only: bool = False
    is_default_model: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    previous_index_number: int
    previous_model_id: UUID | None = None
    previous_route_id: UUID | None = None
    is_previous_keyword_only: bool = False
    is_previous_default_model: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    step: int = 0
    job_id: UUID | None = None
    code: str | None = None
    message: str | None = None
    is_retryable: bool = False
    is_cleaned: bool = False
    switched_at: datetime | None = timestamp()
    revertible_until: datetime | None = timestamp()
    finished_at: datetime | None = timestamp()

    @property
    def embedding(self) -> EmbeddingChoice:
        """What the base uses after the change."""
        return EmbeddingChoice(self.model_id, self.is_keyword_only, self.is_default_model, self.route_id)

    @property
    def previous_embedding(self) -> EmbeddingChoice:
        """What the base used before the change."""
        return EmbeddingChoice(
            self.previous_model_id,
            self.is_previous_keyword_only,
            self.is_previous_default_model,
            self.previous_route_id,
        )

    @property
    def target(self) -> tuple[int, EmbeddingChoice] | None:
        """The index that documents are put into, and how; None unless the change or its revert is running."""
        if self.state == EmbeddingModelChangeState.EMBEDDING:
            return self.index_number, self.embedding
        if self.state == EmbeddingModelChangeState.REVERTING:
            return self.previous_index_number, self.previous_embedding
        return None


class IndexEntry(Table, table=True):
    """How a version was put into an index that searches don't use; the columns are those of `DocumentVersion`."""

    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "version_id"], ["document_version.tenant_id", "document_version.id"], ondelete="CASCADE"
        ),
        Index("ix_index_entry_base", "tenant_id", "knowledge_base_id", "index_number"),
    )

    version_id: UUID = Field(primary_key=True)
    index_number: int = Field(primary_key=True)
    tenant_id: UUID
    knowledge_base_id: UUID
    index_edits: int = 0
    index_format: int = 0
    index_model: str | None = None
    index_space: str | None = None
    indexed_at: datetime | None = timestamp()
    limitation_code: str | None = None
    limitation_message: str | None = None
