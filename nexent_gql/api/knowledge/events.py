"""What happens to the documents of a knowledge base, as types."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Self, TypedDict, cast
from uuid import UUID

import strawberry

from nexent_gql.api.knowledge.enums import DocumentProblemCode, DocumentStage, DocumentState, EmbeddingModelChangeState
from nexent_gql.api.knowledge.event_base import DocumentEvent, Place
from nexent_gql.api.knowledge.graph_types import KnowledgeGraphChanged
from nexent_gql.api.knowledge.nodes import base_by_id, document_by_id
from nexent_gql.api.knowledge.problems import KnowledgeProblem, problem_of
from nexent_gql.api.knowledge.summary_types import KnowledgeSummaryStateChanged, KnowledgeSummaryTextAdded
from nexent_gql.api.knowledge.types import Document, DocumentProblem, KnowledgeBase, progress_of
from nexent_gql.api.related import related
from nexent_gql.api.schema.relay import global_id
from nexent_gql.kernel.json import JsonObject
from nexent_gql.ports.events import Entry
from nexent_gql.streams.cursors import cursor


class _StateBody(TypedDict):
    """Written by `domains.knowledge.events.state_changed`."""

    document_id: str
    version: int
    state: str
    stage: str
    attempts: int
    code: str | None
    message: str | None
    retryable: bool


@strawberry.type(
    description="A document was added, replaced or reprocessed, began a step, was cancelled, or ended as READY or "
    "FAILED. The fields show the latest version as it was then."
)
class DocumentStateChanged(DocumentEvent):
    key: strawberry.Private[UUID]
    document_id: strawberry.ID = strawberry.field(description="ID of the Document.")
    version: int = strawberry.field(description="Number of the latest version, from 1.")
    state: DocumentState = strawberry.field(description="State of that version.")
    stage: DocumentStage = strawberry.field(description="Step that began, or the last one.")
    progress: float = strawberry.field(description="Progress of processing, 0 to 1; 1 when the document was READY.")
    attempts: int = strawberry.field(description="How many times processing had begun the step.")
    problem: DocumentProblem | None = strawberry.field(
        description="Why processing failed, or that parts of the text were missing; null if there was no problem."
    )
    document: Document | None = related(
        document_by_id,
        "key",
        description="The document in its state when the event is delivered; null if it has been deleted.",
    )

    @classmethod
    def of(cls, place: Place, _: UUID, body: JsonObject) -> Self:
        values = cast("_StateBody", body)
        state, stage, key = DocumentState(values["state"]), DocumentStage(values["stage"]), UUID(values["document_id"])
        return cls(
            **place,
            key=key,
            document_id=global_id("Document", key),
            version=values["version"],
            state=state,
            stage=stage,
            progress=progress_of(state, stage),
            attempts=values["attempts"],
            problem=_problem(values),
        )


@strawberry.type(description="A document was deleted.")
class DocumentDeleted(DocumentEvent):
    document_id: strawberry.ID = strawberry.field(description="ID of the deleted Document.")

    @classmethod
    def of(cls, place: Place, _: UUID, body: JsonObject) -> Self:
        return cls(**place, document_id=global_id("Document", UUID(str(body["document_id"]))))


class _ModelChangeBody(TypedDict):
    """Written by `domains.knowledge.events.model_change_updated`."""

    state: str
    documents: int
    entries: int
    code: str | None
    message: str | None
    retryable: bool


@strawberry.type(
    description="A change of the embedding model began, came further, or got another state. The fields tell the change "
    "as it was then."
)
class EmbeddingModelChangeUpdated(DocumentEvent):
    change_state: EmbeddingModelChangeState = strawberry.field(description="State of the change.")
    document_count: int = strawberry.field(description="Number of documents that searches could find.")
    embedded_document_count: int = strawberry.field(
        description="How many of them were in the index that was being built; all of them when nothing was being built."
    )
    change_problem: KnowledgeProblem | None = strawberry.field(
        description="Why the change FAILED, or why the last attempt to revert it failed; null otherwise."
    )
    key: strawberry.Private[UUID]
    knowledge_base: KnowledgeBase | None = related(
        base_by_id,
        "key",
        description="The knowledge base in its state when the event is delivered; null if it has been deleted.",
    )

    @classmethod
    def of(cls, place: Place, base_id: UUID, body: JsonObject) -> Self:
        values = cast("_ModelChangeBody", body)
        return cls(
            **place,
            change_state=EmbeddingModelChangeState(values["state"]),
            document_count=values["documents"],
            embedded_document_count=values["entries"],
            change_problem=problem_of(values["code"], values["message"], retryable=values["retryable"]),
            key=base_id,
        )


@strawberry.type(description="The knowledge base was deleted, or you can no longer read it. This is the last event.")
class KnowledgeBaseUnavailable(DocumentEvent):
    knowledge_base_id: strawberry.ID = strawberry.field(description="ID of the KnowledgeBase.")

    @classmethod
    def of(cls, place: Place, base_id: UUID, _: JsonObject) -> Self:
        return cls(**place, knowledge_base_id=global_id("KnowledgeBase", base_id))


@strawberry.type(
    description="Stands for events that are no longer available. List the documents to learn their states. The events "
    "that follow are complete."
)
class DocumentEventGap(DocumentEvent):
    from_seq: int = strawberry.field(description="Sequence number of the first missing event.")
    to_seq: int = strawberry.field(
        description="Sequence number of the last missing event, which is also the `seq` of this event."
    )

    @classmethod
    def of(cls, place: Place, _: UUID, body: JsonObject) -> Self:
        return cls(**place, from_seq=cast("int", body["from_seq"]), to_seq=cast("int", body["to_seq"]))


EVENT_TYPES = (
    DocumentStateChanged,
    DocumentDeleted,
    KnowledgeSummaryStateChanged,
    KnowledgeSummaryTextAdded,
    KnowledgeGraphChanged,
    EmbeddingModelChangeUpdated,
    KnowledgeBaseUnavailable,
    DocumentEventGap,
)
_FACTORIES: dict[str, Callable[[Place, UUID, JsonObject], DocumentEvent]] = {
    "DocumentStateChanged": DocumentStateChanged.of,
    "DocumentDeleted": DocumentDeleted.of,
    "KnowledgeSummaryStateChanged": KnowledgeSummaryStateChanged.of,
    "KnowledgeSummaryTextAdded": KnowledgeSummaryTextAdded.of,
    "KnowledgeGraphChanged": KnowledgeGraphChanged.of,
    "EmbeddingModelChangeUpdated": EmbeddingModelChangeUpdated.of,
    "KnowledgeBaseUnavailable": KnowledgeBaseUnavailable.of,
    "StreamGap": DocumentEventGap.of,
}


def document_event(base_id: UUID, entry: Entry) -> DocumentEvent | None:
    """Map an entry of a base's topic; None: a newer server wrote a kind that this one does not know."""
    make = _FACTORIES.get(str(entry.body["kind"]))
    if make is None:
        return None
    at = datetime.fromtimestamp(entry.at_ms / 1000, UTC)
    return make(Place(seq=entry.seq, cursor=cursor(base_id, entry.seq), at=at), base_id, entry.body)


def _problem(values: _StateBody) -> DocumentProblem | None:
    if values["code"] is None:
        return None
    code = DocumentProblemCode(values["code"])
    return DocumentProblem(code=code, message=values["message"] or "", retryable=values["retryable"])
