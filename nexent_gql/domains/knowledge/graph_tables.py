"""Knowledge graphs: which things passages name, and how they relate them, as a model read it.

Facts belong to a text of a document and are valid while an enabled chunk of its current version has that text. Nothing
else is stored of an entity: what no passage supports any more is deleted in the transaction that hides the passage.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlmodel import Field

from nexent_gql.db.base import Table, TenantRow, timestamp


class KnowledgeGraph(TenantRow, table=True):
    """The graph of a base. A row with `deleted_at` is hidden, and deleted by a job.

    Passages are read on the account of `requested_by`, by the model `model_id`, which is null where it is the tenant's
    default CHAT model. `job_id` is a job that has not begun and will look at all documents. `code`, `message` and
    `is_retryable` say why reading stopped.
    """

    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        ForeignKeyConstraint(
            ["tenant_id", "knowledge_base_id"], ["knowledge_base.tenant_id", "knowledge_base.id"], ondelete="CASCADE"
        ),
        Index(
            "uq_knowledge_graph_base",
            "tenant_id",
            "knowledge_base_id",
            unique=True,
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index("ix_knowledge_graph_base", "tenant_id", "knowledge_base_id"),
    )

    knowledge_base_id: UUID
    requested_by: UUID
    model_id: UUID | None = None
    job_id: UUID | None = None
    code: str | None = None
    message: str | None = None
    is_retryable: bool = False
    deleted_at: datetime | None = timestamp()


class GraphPassage(TenantRow, table=True):
    """A text that was read. `content_hash` is its MD5; `code` explains why the model's answer could not be used."""

    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "graph_id", "document_id", "content_hash"),
        ForeignKeyConstraint(
            ["tenant_id", "graph_id"], ["knowledge_graph.tenant_id", "knowledge_graph.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["tenant_id", "document_id"], ["document.tenant_id", "document.id"], ondelete="CASCADE"),
        Index("ix_graph_passage_document", "tenant_id", "document_id"),
    )

    graph_id: UUID
    document_id: UUID
    content_hash: str
    code: str | None = None


def _of_passage() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["tenant_id", "passage_id"], ["graph_passage.tenant_id", "graph_passage.id"], ondelete="CASCADE"
    )


class GraphMention(Table, table=True):
    """A passage names an entity; `name_key` is the normalized name."""

    __table_args__ = (_of_passage(), Index("ix_graph_mention_key", "tenant_id", "graph_id", "name_key"))

    tenant_id: UUID = Field(primary_key=True)
    passage_id: UUID = Field(primary_key=True)
    name_key: str = Field(primary_key=True)
    graph_id: UUID
    name: str
    kind: str


class GraphRelation(Table, table=True):
    """A passage relates two entities; `is_alias` means that both name one entity."""

    __table_args__ = (
        _of_passage(),
        Index("ix_graph_relation_source", "tenant_id", "graph_id", "source_key"),
        Index("ix_graph_relation_target", "tenant_id", "graph_id", "target_key"),
    )

    tenant_id: UUID = Field(primary_key=True)
    passage_id: UUID = Field(primary_key=True)
    source_key: str = Field(primary_key=True)
    target_key: str = Field(primary_key=True)
    label: str = Field(primary_key=True)
    graph_id: UUID
    is_alias: bool = False
