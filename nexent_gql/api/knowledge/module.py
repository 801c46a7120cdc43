"""What knowledge bases add to the schema."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from nexent_gql.api.context import Context, one
from nexent_gql.api.knowledge.loaders import base_row, chunk_row, document_row
from nexent_gql.api.knowledge.mutations import KnowledgeMutations
from nexent_gql.api.knowledge.queries import KnowledgeQueries
from nexent_gql.api.knowledge.search import KnowledgeSearchQueries
from nexent_gql.api.knowledge.types import Document, DocumentChunk, KnowledgeBase
from nexent_gql.api.schema.module import SchemaModule


@one
async def base_by_id(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, KnowledgeBase]:
    """Load knowledge bases for `node`."""
    rows = await context.loaders[base_row].load_many(ids)
    return {row.id: KnowledgeBase.of(row, context.actor.user_id) for row in rows if row}


@one
async def document_by_id(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, Document]:
    """Load documents for `node`."""
    rows = await context.loaders[document_row].load_many(ids)
    return {row.document.id: Document.of(row) for row in rows if row}


@one
async def chunk_by_id(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, DocumentChunk]:
    """Load chunks for `node`."""
    rows = await context.loaders[chunk_row].load_many(ids)
    return {row.id: DocumentChunk.of(row) for row in rows if row}


MODULE = SchemaModule(
    queries=(KnowledgeQueries, KnowledgeSearchQueries),
    mutations=(KnowledgeMutations,),
    nodes={KnowledgeBase: base_by_id, Document: document_by_id, DocumentChunk: chunk_by_id},
)
