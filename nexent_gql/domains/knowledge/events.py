"""Events of knowledge bases: each change of a document's state, numbered in the order of commits."""

from uuid import UUID

from nexent_gql.domains.knowledge.tables import Document, DocumentVersion
from nexent_gql.kernel.json import JsonObject

DOCUMENT_STATE_CHANGED = "DocumentStateChanged"
DOCUMENT_DELETED = "DocumentDeleted"
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
