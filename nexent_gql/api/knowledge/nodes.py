"""Knowledge bases, documents and chunks by id."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from nexent_gql.api.context import Context, one
from nexent_gql.api.knowledge.loaders import base_row, chunk_row, document_row
from nexent_gql.api.knowledge.types import Document, DocumentChunk, KnowledgeBase


@one
async def base_by_id(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, KnowledgeBase]:
    """Load knowledge bases that the caller may read."""
    rows = await context.loaders[base_row].load_many(ids)
    return {row.id: KnowledgeBase.of(row, context.actor.user_id) for row in rows if row}


@one
async def document_by_id(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, Document]:
    """Load documents that the caller may read."""
    rows = await context.loaders[document_row].load_many(ids)
    return {row.document.id: Document.of(row) for row in rows if row}


@one
async def chunk_by_id(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, DocumentChunk]:
    """Load chunks that the caller may read."""
    rows = await context.loaders[chunk_row].load_many(ids)
    return {row.id: DocumentChunk.of(row) for row in rows if row}
