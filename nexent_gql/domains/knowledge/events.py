"""Events of knowledge bases: changes of documents, summaries, graphs and embedding models.

They are numbered in the order of commits.

Events of summaries have no text: readers get it from the summary, where it is withheld when a document is deleted.
"""

from uuid import UUID

from nexent_gql.domains.knowledge.graph_repository import GraphCounts
from nexent_gql.domains.knowledge.graph_tables import KnowledgeGraph
from nexent_gql.domains.knowledge.model_change_repository import ChangeProgress
from nexent_gql.domains.knowledge.model_change_tables import EmbeddingModelChange
from nexent_gql.domains.knowledge.summary_tables import KnowledgeSummary
from nexent_gql.domains.knowledge.tables import Document, DocumentVersion
from nexent_gql.kernel.json import JsonObject

DOCUMENT_STATE_CHANGED = "DocumentStateChanged"
DOCUMENT_DELETED = "DocumentDeleted"
SUMMARY_STATE_CHANGED = "KnowledgeSummaryStateChanged"
SUMMARY_TEXT_ADDED = "KnowledgeSummaryTextAdded"
GRAPH_CHANGED = "KnowledgeGraphChanged"
MODEL_CHANGE_UPDATED = "EmbeddingModelChangeUpdated"
KNOWLEDGE_BASE_UNAVAILABLE = "KnowledgeBaseUnavailable"


def state_changed(document: Document, version: DocumentVersion) -> JsonObject:
    """Return the body of an event: the state of the latest version of a document."""
    return {
        "kind": DOCUMENT_STATE_CHANGED,
        "document_id": str(document.id),
        "version": version.number,
        "state": version.state,
        "stage": version.stage,
        "attempts": version.attempts,
        "code": version.code,
        "message": version.message,
        "retryable": version.is_retryable,
    }


def document_deleted(document_id: UUID) -> JsonObject:
    """Return the body of an event."""
    return {"kind": DOCUMENT_DELETED, "document_id": str(document_id)}


def summary_changed(summary: KnowledgeSummary) -> JsonObject:
    """Return the body of an event: state and progress of a summary."""
    return {
        "kind": SUMMARY_STATE_CHANGED,
        "summary_id": str(summary.id),
        "state": summary.state,
        "stage": summary.stage,
        "done_calls": summary.done_calls,
        "planned_calls": summary.planned_calls,
        "code": summary.code,
        "message": summary.message,
        "retryable": summary.is_retryable,
    }


def summary_text_added(summary: KnowledgeSummary, start: int) -> JsonObject:
    """Return the body of an event: text was appended to a summary at a position; 0 restarts it."""
    return {
        "kind": SUMMARY_TEXT_ADDED,
        "summary_id": str(summary.id),
        "restarts": summary.restarts,
        "start": start,
        "end": len(summary.content),
    }


def graph_changed(graph: KnowledgeGraph, counts: GraphCounts | None) -> JsonObject:
    """Return the body of an event: how far the passages of a base were read; None is a base without passages."""
    counts = counts or GraphCounts()
    return {
        "kind": GRAPH_CHANGED,
        "is_deleted": graph.deleted_at is not None,
        "total": counts.total,
        "done": counts.done,
        "failed": counts.failed,
        "code": graph.code,
        "message": graph.message,
        "retryable": graph.is_retryable,
    }


def model_change_updated(change: EmbeddingModelChange, progress: ChangeProgress) -> JsonObject:
    """Return the body of an event: state and progress of a change of the embedding model."""
    return {
        "kind": MODEL_CHANGE_UPDATED,
        "state": change.state,
        "documents": progress.documents,
        "entries": progress.documents if change.target is None else progress.entries,
        "code": change.code,
        "message": change.message,
        "retryable": change.is_retryable,
    }
