"""Reading knowledge bases and documents."""

from typing import Annotated

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.knowledge.enums import DocumentState
from nexent_gql.api.knowledge.loaders import base_row, document_row
from nexent_gql.api.knowledge.types import Document, DocumentChunk, KnowledgeBase
from nexent_gql.api.schema.connections import PageArguments, connection_field
from nexent_gql.api.schema.permissions import SignedIn
from nexent_gql.api.schema.relay import Connection, connection, find_node, node_id
from nexent_gql.domains.knowledge.filters import DocumentFilter

BaseId = Annotated[strawberry.ID, strawberry.argument(description="ID of the KnowledgeBase.")]
DocumentId = Annotated[strawberry.ID, strawberry.argument(description="ID of the Document.")]
_Search = Annotated[
    str | None,
    strawberry.argument(
        description="Returns only bases whose name contains this text, at most 200 characters. Ignores case, width and "
        "composition of characters. Null or blank returns all."
    ),
]
_ChunkSearch = Annotated[
    str | None,
    strawberry.argument(
        description="Returns only chunks whose text contains this text, at most 200 characters. Ignores case, width "
        "and white space. Null or blank returns all."
    ),
]
_State = Annotated[
    DocumentState | None, strawberry.argument(description="Returns only documents in this state. Null returns all.")
]
_BatchId = Annotated[
    strawberry.ID | None,
    strawberry.argument(description="ID of a DocumentBatch. Returns only its documents. Null returns all."),
]


@strawberry.type
class KnowledgeQueries:
    @strawberry.field(
        description="Returns a knowledge base; null if it does not exist or you can't read it.",
        permission_classes=[SignedIn],
    )
    async def knowledge_base(self, info: Info, id: BaseId) -> KnowledgeBase | None:
        row = await find_node(info, base_row, id, "KnowledgeBase")
        return KnowledgeBase.of(row, info.context.actor.user_id) if row else None

    @connection_field(
        description="Lists the knowledge bases that you can read, newest first.", permission_classes=[SignedIn]
    )
    async def knowledge_bases(
        self, info: Info, page: PageArguments, search: _Search = None
    ) -> Connection[KnowledgeBase]:
        actor, service = info.context.actor, info.context.services.knowledge_bases
        rows = await service.page(actor, page.request(), search)
        return connection(
            rows, lambda row: KnowledgeBase.of(row, actor.user_id), count=lambda: service.count(actor, search)
        )

    @strawberry.field(
        description="Returns a document; null if it does not exist or you can't read it.",
        permission_classes=[SignedIn],
    )
    async def document(self, info: Info, id: DocumentId) -> Document | None:
        row = await find_node(info, document_row, id, "Document")
        return Document.of(row) if row else None

    @connection_field(
        description="Lists the documents of a knowledge base, newest first.", permission_classes=[SignedIn]
    )
    async def documents(
        self,
        info: Info,
        page: PageArguments,
        knowledge_base_id: BaseId,
        state: _State = None,
        batch_id: _BatchId = None,
    ) -> Connection[Document]:
        key = node_id(knowledge_base_id, "KnowledgeBase", "knowledgeBaseId")
        actor, service = info.context.actor, info.context.services.documents
        batch_key = node_id(batch_id, "DocumentBatch", "batchId") if batch_id is not None else None
        conditions = DocumentFilter(states=(state,) if state else (), batch_id=batch_key)
        rows = await service.page(actor, key, page.request(), conditions)
        return connection(rows, Document.of, count=lambda: service.count(actor, key, conditions))

    @connection_field(
        description="Lists the chunks of the current version of a document, in the order of its text. Those with "
        "`isEnabled` false are not found by searches.",
        permission_classes=[SignedIn],
    )
    async def document_chunks(
        self, info: Info, page: PageArguments, document_id: DocumentId, search: _ChunkSearch = None
    ) -> Connection[DocumentChunk]:
        key = node_id(document_id, "Document", "documentId")
        actor, service = info.context.actor, info.context.services.documents
        rows = await service.chunks(actor, key, page.request(), search)
        return connection(rows, DocumentChunk.of, count=lambda: service.count_chunks(actor, key, search))
