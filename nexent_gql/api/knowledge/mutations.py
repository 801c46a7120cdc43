"""Mutations of knowledge bases and documents."""

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.knowledge.attributes import document_attributes
from nexent_gql.api.knowledge.inputs import (
    AddDocumentInput,
    CancelDocumentInput,
    CreateKnowledgeBaseInput,
    DeleteDocumentInput,
    DeleteKnowledgeBaseInput,
    ReplaceDocumentInput,
    ReprocessDocumentInput,
    UpdateDocumentInput,
    UpdateKnowledgeBaseInput,
)
from nexent_gql.api.knowledge.types import Document, KnowledgeBase
from nexent_gql.api.schema.errors import ConflictError, ForbiddenError, NotFoundError, ValidationError
from nexent_gql.api.schema.mutations import mutation
from nexent_gql.api.schema.relay import node_id

WRITE = "Requires the right to change the knowledge base."
ERRORS = (ValidationError, NotFoundError, ForbiddenError)


@strawberry.type
class KnowledgeMutations:
    @mutation(
        "Creates a knowledge base that you own.",
        payload={"knowledge_base": "The knowledge base."},
        errors=(ValidationError, NotFoundError, ConflictError),
    )
    async def create_knowledge_base(self, info: Info, input: CreateKnowledgeBaseInput) -> KnowledgeBase:
        row = await info.context.services.knowledge_bases.create(info.context.actor, input.draft())
        return KnowledgeBase.of(row, info.context.actor.user_id)

    @mutation(
        "Changes a knowledge base of yours. Documents are cut by the new options when they are processed next.",
        payload={"knowledge_base": "The knowledge base after the change."},
        errors=ERRORS,
    )
    async def update_knowledge_base(self, info: Info, input: UpdateKnowledgeBaseInput) -> KnowledgeBase:
        key = node_id(input.knowledge_base_id, "KnowledgeBase", "knowledgeBaseId")
        row = await info.context.services.knowledge_bases.update(info.context.actor, key, input.patch())
        return KnowledgeBase.of(row, info.context.actor.user_id)

    @mutation(
        "Deletes a knowledge base of yours with its documents. Nobody finds them from then on. Files stay.",
        payload={"deleted_id": "ID of the deleted knowledge base."},
        errors=ERRORS,
    )
    async def delete_knowledge_base(self, info: Info, input: DeleteKnowledgeBaseInput) -> strawberry.ID:
        key = node_id(input.knowledge_base_id, "KnowledgeBase", "knowledgeBaseId")
        await info.context.services.knowledge_bases.delete(info.context.actor, key)
        return input.knowledge_base_id

    @mutation(
        f"Adds a document to a knowledge base and starts to process it. {WRITE}",
        payload={"document": "The document."},
        errors=(*ERRORS, ConflictError),
    )
    async def add_document(self, info: Info, input: AddDocumentInput) -> Document:
        key = node_id(input.knowledge_base_id, "KnowledgeBase", "knowledgeBaseId")
        service = info.context.services.documents
        source, attributes = input.source.source(), document_attributes(input.attributes)
        return Document.of(await service.add(info.context.actor, key, source, input.client_id, attributes=attributes))

    @mutation(
        f"Changes name and attributes of a document. Searches follow at once. Allowed in every state. {WRITE}",
        payload={"document": "The document after the change."},
        errors=ERRORS,
    )
    async def update_document(self, info: Info, input: UpdateDocumentInput) -> Document:
        key = node_id(input.document_id, "Document", "documentId")
        return Document.of(await info.context.services.documents.update(info.context.actor, key, input.patch()))

    @mutation(
        "Gives a document another content. The old one is found until the new one is READY, and stays if that fails. "
        f"Allowed in every state. {WRITE}",
        payload={"document": "The document with its new version."},
        errors=ERRORS,
    )
    async def replace_document(self, info: Info, input: ReplaceDocumentInput) -> Document:
        key = node_id(input.document_id, "Document", "documentId")
        return Document.of(
            await info.context.services.documents.replace(info.context.actor, key, input.source.source())
        )

    @mutation(
        "Processes the latest content of a document again, with the present options of its knowledge base. Allowed in "
        f"every state. {WRITE}",
        payload={"document": "The document with its new version."},
        errors=ERRORS,
    )
    async def reprocess_document(self, info: Info, input: ReprocessDocumentInput) -> Document:
        key = node_id(input.document_id, "Document", "documentId")
        return Document.of(await info.context.services.documents.reprocess(info.context.actor, key))

    @mutation(
        "Stops processing a document. The version that is found stays; without one, nothing of the document is found. "
        f"Does nothing if it is not processed. {WRITE}",
        payload={"document": "The document."},
        errors=ERRORS,
    )
    async def cancel_document(self, info: Info, input: CancelDocumentInput) -> Document:
        key = node_id(input.document_id, "Document", "documentId")
        return Document.of(await info.context.services.documents.cancel(info.context.actor, key))

    @mutation(
        f"Deletes a document. Nobody finds it from then on. Its file stays. Allowed in every state. {WRITE}",
        payload={"deleted_id": "ID of the deleted document."},
        errors=ERRORS,
    )
    async def delete_document(self, info: Info, input: DeleteDocumentInput) -> strawberry.ID:
        key = node_id(input.document_id, "Document", "documentId")
        await info.context.services.documents.delete(info.context.actor, key)
        return input.document_id
