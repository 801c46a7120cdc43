"""Reading knowledge bases and documents."""

from typing import Annotated

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.knowledge.enums import DocumentState
from nexent_gql.api.knowledge.loaders import base_row, document_row
from nexent_gql.api.knowledge.types import Document, DocumentChunk, KnowledgeBase
from nexent_gql.api.schema.permissions import SignedIn
from nexent_gql.api.schema.relay import (
    After,
    Before,
    Connection,
    First,
    Last,
    connection,
    node_id,
    page_request,
    parse_id,
)

_BaseId = Annotated[strawberry.ID, strawberry.argument(description="ID of the KnowledgeBase.")]
_DocumentId = Annotated[strawberry.ID, strawberry.argument(description="ID of the Document.")]
_Search = Annotated[
    str | None,
    strawberry.argument(
        description="Returns only bases whose name contains this text, at most 200 characters. Ignores case, width and "
        "composition of characters. Null or blank returns all."
    ),
]
_State = Annotated[
    DocumentState | None, strawberry.argument(description="Returns only documents in this state. Null returns all.")
]


@strawberry.type
class KnowledgeQueries:
    @strawberry.field(
        description="Returns a knowledge base; null if it does not exist or you can't read it.",
        permission_classes=[SignedIn],
    )
    async def knowledge_base(self, info: Info, id: _BaseId) -> KnowledgeBase | None:
        key = parse_id(id, "KnowledgeBase")
        row = await info.context.loaders[base_row].load(key) if key else None
        return KnowledgeBase.of(row, info.context.actor.user_id) if row else None

    @strawberry.field(
        description="Lists the knowledge bases that you can read, newest first.", permission_classes=[SignedIn]
    )
    async def knowledge_bases(
        self,
        info: Info,
        search: _Search = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[KnowledgeBase]:
        actor, service = info.context.actor, info.context.services.knowledge_bases
        page = await service.page(actor, page_request(first, after, last, before), search)
        return connection(
            page, lambda row: KnowledgeBase.of(row, actor.user_id), count=lambda: service.count(actor, search)
        )

    @strawberry.field(
        description="Returns a document; null if it does not exist or you can't read it.",
        permission_classes=[SignedIn],
    )
    async def document(self, info: Info, id: _DocumentId) -> Document | None:
        key = parse_id(id, "Document")
        row = await info.context.loaders[document_row].load(key) if key else None
        return Document.of(row) if row else None

    @strawberry.field(
        description="Lists the documents of a knowledge base, newest first.", permission_classes=[SignedIn]
    )
    async def documents(
        self,
        info: Info,
        knowledge_base_id: _BaseId,
        state: _State = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Document]:
        key = node_id(knowledge_base_id, "KnowledgeBase", "knowledgeBaseId")
        actor, service = info.context.actor, info.context.services.documents
        page = await service.page(actor, key, page_request(first, after, last, before), state)
        return connection(page, Document.of, count=lambda: service.count(actor, key, state))

    @strawberry.field(
        description="Lists the chunks of a document that are found, in the order of its text.",
        permission_classes=[SignedIn],
    )
    async def document_chunks(
        self,
        info: Info,
        document_id: _DocumentId,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[DocumentChunk]:
        key = node_id(document_id, "Document", "documentId")
        actor, service = info.context.actor, info.context.services.documents
        page = await service.chunks(actor, key, page_request(first, after, last, before))
        return connection(page, DocumentChunk.of, count=lambda: service.count_chunks(actor, key))
