"""Jobs of documents."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from nexent_gql.domains.knowledge.tables import DocumentStage, DocumentState
from nexent_gql.jobs.housekeeping import Housekeeping
from nexent_gql.jobs.work import Priority, RetryPolicy, Work


class DocumentWork(Work):
    """What the kinds of jobs of the queue of documents have in common."""

    queue: ClassVar[str] = "documents"
    retry: ClassVar[RetryPolicy] = RetryPolicy(max_attempts=5, base_delay_s=2, max_age_s=24 * 3_600)
    priority: ClassVar[Priority] = Priority.BACKGROUND


class CleanUpWork(Work):
    """What the kinds of jobs have in common that delete hidden rows; they have no maximum age."""

    queue: ClassVar[str] = "housekeeping"
    retry: ClassVar[RetryPolicy] = RetryPolicy(max_attempts=20, base_delay_s=5, max_age_s=None)
    priority: ClassVar[Priority] = Priority.BACKGROUND


class ProcessDocument(DocumentWork):
    """Take one version of a document through one stage; the next stage is a job of its own."""

    name: ClassVar[str] = "process_document"
    can_rerun: ClassVar[bool] = False  # abandoning the job failed the version; its user calls `reprocessDocument`
    document_id: UUID
    version_id: UUID
    stage: DocumentStage

    @property
    def key(self) -> str:
        """One job for each stage of a version."""
        return f"process_document:{self.version_id}:{self.stage}"


class ReprocessDocuments(DocumentWork):
    """Process all documents of a base again that match; see `DocumentFilter`."""

    name: ClassVar[str] = "reprocess_documents"
    knowledge_base_id: UUID
    request_id: UUID
    user_id: UUID
    requested_at: datetime
    states: tuple[DocumentState, ...] = ()
    codes: tuple[str, ...] = ()
    batch_id: UUID | None = None

    @property
    def key(self) -> str:
        """One job for each request."""
        return f"reprocess_documents:{self.request_id}"

    @property
    def lane(self) -> str | None:
        """One at a time for each base."""
        return f"reprocess_documents:{self.knowledge_base_id}"


class PurgeDocuments(CleanUpWork):
    """Delete what is hidden already: deleted documents of a base, the base itself, and superseded versions.

    With `document_id`, searches find the current version of that document first.
    """

    name: ClassVar[str] = "purge_documents"
    knowledge_base_id: UUID
    request_id: UUID
    document_id: UUID | None = None

    @property
    def key(self) -> str:
        """One job for each request: what one job overlooks, because it committed later, has a job of its own."""
        return f"purge_documents:{self.request_id}"


class RefreshSearchIndex(Housekeeping):
    """Finds documents whose index entries are of an older format or another embedding model."""

    name: ClassVar[str] = "refresh_search_index"


class ChangeEmbeddingModel(DocumentWork):
    """Put documents of a base into the index that a change builds, and switch to it; the next step is another job."""

    name: ClassVar[str] = "change_embedding_model"
    retry: ClassVar[RetryPolicy] = RetryPolicy(max_attempts=8, base_delay_s=4, max_age_s=24 * 3_600)
    can_rerun: ClassVar[bool] = False  # abandoning the job failed the change; its user calls `changeEmbeddingModel`
    knowledge_base_id: UUID
    change_id: UUID
    step: int

    @property
    def key(self) -> str:
        """One job for each step of a change."""
        return f"change_embedding_model:{self.change_id}:{self.step}"


class CleanUpModelChange(CleanUpWork):
    """Complete a change that was not reverted in time, and delete the index that is no longer needed."""

    name: ClassVar[str] = "clean_up_model_change"
    knowledge_base_id: UUID
    change_id: UUID
    request_id: UUID

    @property
    def key(self) -> str:
        """One job for each request."""
        return f"clean_up_model_change:{self.request_id}"


class IndexDocument(DocumentWork):
    """Put the current version of a document into the search index again.

    `model` is the embedding model that it gets, `indexed_at` when it was indexed before, `edits` how often its chunks
    were edited, with the version that they belong to.
    """

    name: ClassVar[str] = "index_document"
    document_id: UUID
    model: str | None = None
    indexed_at: datetime | None = None
    edits: str = ""

    @property
    def key(self) -> str:
        """One job for each model, earlier entry and edit."""
        time = self.indexed_at.isoformat() if self.indexed_at else ""
        return f"index_document:{self.document_id}:{self.model or ''}:{time}{self.edits}"


def summary_lane(knowledge_base_id: UUID) -> str:
    """Return the lane in which the summaries of a base are written."""
    return f"summarize_knowledge_base:{knowledge_base_id}"


class SummarizeKnowledgeBase(DocumentWork):
    """Write a summary; each call of the model is a step that is not repeated after a crash."""

    name: ClassVar[str] = "summarize_knowledge_base"
    can_rerun: ClassVar[bool] = False  # abandoning the job failed the summary; its user asks for another one
    knowledge_base_id: UUID
    summary_id: UUID

    @property
    def key(self) -> str:
        """One job for each summary."""
        return f"summarize_knowledge_base:{self.summary_id}"

    @property
    def lane(self) -> str | None:
        """One at a time for each base."""
        return summary_lane(self.knowledge_base_id)


def graph_lane(knowledge_base_id: UUID) -> str:
    """Return the lane in which the passages of a base are read for its graph."""
    return f"extend_knowledge_graph:{knowledge_base_id}"


class ExtendKnowledgeGraph(DocumentWork):
    """Read some of the passages of a base that were not read for its graph; a following job reads the rest."""

    name: ClassVar[str] = "extend_knowledge_graph"
    can_rerun: ClassVar[bool] = False  # abandoning the job stopped the graph; its user calls `buildKnowledgeGraph`
    knowledge_base_id: UUID
    request_id: UUID

    @property
    def key(self) -> str:
        """One job for each request."""
        return f"extend_knowledge_graph:{self.request_id}"

    @property
    def lane(self) -> str | None:
        """One at a time for each base: no passage is paid twice."""
        return graph_lane(self.knowledge_base_id)
