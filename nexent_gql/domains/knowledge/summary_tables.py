"""Summaries of knowledge bases."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Column, ForeignKeyConstraint, Index, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

from nexent_gql.db.base import TenantRow, timestamp


class SummaryState(StrEnum):
    """QUEUED and RUNNING end in one of the other three."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    READY = "READY"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


UNFINISHED_SUMMARIES = (SummaryState.QUEUED, SummaryState.RUNNING)


class SummaryStage(StrEnum):
    """Steps of a summary, in order: choose passages, summarize groups of them, join the results."""

    SELECT = "SELECT"
    MAP = "MAP"
    REDUCE = "REDUCE"


class SummaryGrouping(StrEnum):
    """How passages were grouped."""

    MEANING = "MEANING"
    DOCUMENT = "DOCUMENT"


class KnowledgeSummary(TenantRow, table=True):
    """A summary of a base, as it was at `revision`.

    `content` is appended to while the last step streams; `restarts` counts how often it restarted. `document_ids` are
    the documents whose passages the model read: the content is withheld when one of them is deleted. `done_calls` of
    `planned_calls` calls of the model are done. `code`, `message` and `is_retryable` are the reason of FAILED.
    """

    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "knowledge_base_id"], ["knowledge_base.tenant_id", "knowledge_base.id"], ondelete="CASCADE"
        ),
        Index("ix_knowledge_summary_base", "tenant_id", "knowledge_base_id", "created_at"),
        Index(
            "uq_knowledge_summary_client_id",
            "tenant_id",
            "knowledge_base_id",
            "client_id",
            unique=True,
            postgresql_where=text("client_id IS NOT NULL"),
        ),
    )

    knowledge_base_id: UUID
    requested_by: UUID
    client_id: str | None = None
    model_id: UUID | None = None
    language: str | None = None
    state: str = Field(default=SummaryState.QUEUED)
    stage: str = Field(default=SummaryStage.SELECT)
    job_id: UUID | None = None
    restarts: int = 0
    content: str = ""
    revision: str | None = None
    grouping: str | None = None
    document_count: int = 0
    chunk_count: int = 0
    read_chunk_count: int = 0
    group_count: int = 0
    document_ids: list[UUID] = Field(default_factory=list, sa_column=Column(ARRAY(Uuid), nullable=False))
    planned_calls: int = 0
    done_calls: int = 0
    code: str | None = None
    message: str | None = None
    is_retryable: bool = False
    finished_at: datetime | None = timestamp()
