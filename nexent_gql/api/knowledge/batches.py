"""Many documents at once."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

import strawberry
from strawberry import relay

from nexent_gql.api.context import Context, Info, one
from nexent_gql.api.knowledge.attributes import ATTRIBUTES, DocumentAttributeInput, document_attributes
from nexent_gql.api.knowledge.enums import BatchState, DocumentProblemCode, DocumentState
from nexent_gql.api.knowledge.inputs import CLIENT_ID, DocumentSourceInput
from nexent_gql.api.knowledge.mutations import ERRORS, WRITE
from nexent_gql.api.schema.errors import ConflictError
from nexent_gql.api.schema.mutations import mutation
from nexent_gql.api.schema.permissions import SignedIn
from nexent_gql.api.schema.relay import find_node, node_id
from nexent_gql.domains.knowledge.batches import MAX_SOURCES, BatchStatus
from nexent_gql.domains.knowledge.filters import DocumentFilter


@strawberry.type(
    description="Documents that one call of `addDocuments` added. To list them, call `documents` with `batchId`."
)
class DocumentBatch(relay.Node):
    id: relay.NodeID[UUID]
    state: BatchState = strawberry.field(description="State of the batch.")
    document_count: int = strawberry.field(description="Number of documents that were added.")
    queued_count: int = strawberry.field(description="Number of documents that are queued.")
    processing_count: int = strawberry.field(description="Number of documents that are being processed.")
    ready_count: int = strawberry.field(description="Number of documents that are READY.")
    failed_count: int = strawberry.field(description="Number of documents that FAILED.")
    cancelled_count: int = strawberry.field(description="Number of documents that were cancelled.")
    deleted_count: int = strawberry.field(description="Number of documents that were deleted.")
    created_at: datetime = strawberry.field(description="When the documents were added.")

    @classmethod
    def of(cls, status: BatchStatus) -> Self:
        batch, counts = status.batch, status.counts
        return cls(
            id=batch.id,
            state=status.state,
            document_count=batch.document_count,
            queued_count=counts.get(DocumentState.QUEUED, 0),
            processing_count=counts.get(DocumentState.PROCESSING, 0),
            ready_count=counts.get(DocumentState.READY, 0),
            failed_count=counts.get(DocumentState.FAILED, 0),
            cancelled_count=counts.get(DocumentState.CANCELLED, 0),
            deleted_count=batch.document_count - sum(counts.values()),
            created_at=batch.created_at,
        )


@one
async def batch_by_id(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, DocumentBatch]:
    """Load batches whose base the caller may read."""
    rows = await context.services.document_batches.get_many(context.actor, ids)
    return {row.batch.id: DocumentBatch.of(row) for row in rows}


@strawberry.input(description="Input of `addDocuments`.")
class AddDocumentsInput:
    knowledge_base_id: strawberry.ID = strawberry.field(description="ID of the KnowledgeBase.")
    sources: list[DocumentSourceInput] = strawberry.field(
        description=f"Where the documents come from, 1 to {MAX_SOURCES}. If one is refused, none is added."
    )
    client_id: str | None = strawberry.field(
        default=None, description=CLIENT_ID.format("sources returns the same batch")
    )
    attributes: list[DocumentAttributeInput] | None = strawberry.field(
        default=None, description=f"Of each of the documents. {ATTRIBUTES} Null means none."
    )


@strawberry.input(description="Input of `reprocessDocuments`. Documents have to match all fields that are set.")
class ReprocessDocumentsInput:
    knowledge_base_id: strawberry.ID = strawberry.field(description="ID of the KnowledgeBase.")
    states: list[DocumentState] | None = strawberry.field(
        default=None, description="States of the latest version. Null or empty means all."
    )
    codes: list[DocumentProblemCode] | None = strawberry.field(
        default=None, description="Codes of `problem`. Null or empty means all, with and without a problem."
    )
    batch_id: strawberry.ID | None = strawberry.field(
        default=None, description="ID of the DocumentBatch that added them. Null means all."
    )

    def filter(self) -> DocumentFilter:
        """Return what the service takes.

        Raises:
            InvalidIdError: `batchId` is no id of a batch.
        """
        return DocumentFilter(
            states=tuple(dict.fromkeys(self.states or ())),
            codes=tuple(dict.fromkeys(self.codes or ())),
            batch_id=node_id(self.batch_id, "DocumentBatch", "batchId") if self.batch_id is not None else None,
        )


@strawberry.type
class DocumentBatchQueries:
    @strawberry.field(
        description="Returns a batch of documents; null if it does not exist or you can't read its knowledge base.",
        permission_classes=[SignedIn],
    )
    async def document_batch(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="ID of the DocumentBatch.")]
    ) -> DocumentBatch | None:
        return await find_node(info, batch_by_id, id, "DocumentBatch")


@strawberry.type
class DocumentBatchMutations:
    @mutation(
        f"Adds many documents to a knowledge base and starts to process them. {WRITE}",
        payload={"batch": "The documents as a whole."},
        errors=(*ERRORS, ConflictError),
    )
    async def add_documents(self, info: Info, input: AddDocumentsInput) -> DocumentBatch:
        key = node_id(input.knowledge_base_id, "KnowledgeBase", "knowledgeBaseId")
        sources = [source.source() for source in input.sources]
        service, attributes = info.context.services.document_batches, document_attributes(input.attributes)
        return DocumentBatch.of(
            await service.add(info.context.actor, key, sources, input.client_id, attributes=attributes)
        )

    @mutation(
        "Processes documents of a knowledge base again, with its present options: those that match when a job comes to "
        f"them, except documents that are added, replaced or reprocessed meanwhile. {WRITE}",
        payload={"document_count": "How many documents match now."},
        errors=ERRORS,
    )
    async def reprocess_documents(self, info: Info, input: ReprocessDocumentsInput) -> int:
        key = node_id(input.knowledge_base_id, "KnowledgeBase", "knowledgeBaseId")
        return await info.context.services.document_batches.reprocess(info.context.actor, key, input.filter())
