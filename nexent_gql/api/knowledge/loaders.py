"""Batches of knowledge bases, documents and chunks."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from nexent_gql.api.context import Context, many, one
from nexent_gql.domains.knowledge import tables
from nexent_gql.domains.knowledge.policy import GroupGrant
from nexent_gql.domains.knowledge.service import SearchLimitation
from nexent_gql.domains.knowledge.tables import DocumentRow


@one
async def base_row(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, tables.KnowledgeBase]:
    """Load bases that the caller may read."""
    return {row.id: row for row in await context.services.knowledge_bases.get_many(context.actor, ids)}


@one
async def document_row(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, DocumentRow]:
    """Load documents that the caller may read."""
    return {row.document.id: row for row in await context.services.documents.get_many(context.actor, ids)}


@many
async def documents_of_file(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, Sequence[DocumentRow]]:
    """Load the documents that the caller may read whose content is one of the files."""
    return await context.services.knowledge_statistics.uses_of_files(context.actor, ids)


@one
async def chunk_row(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, tables.Chunk]:
    """Load chunks that the caller may read."""
    return {row.id: row for row in await context.services.documents.get_chunks(context.actor, ids)}


@one
async def chunk_count(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, int]:
    """Count the chunks of bases."""
    counts = await context.services.knowledge_bases.chunk_counts(context.actor, ids)
    return {id_: counts.get(id_, 0) for id_ in ids}


@one
async def can_write(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, bool]:
    """Tell in which bases the caller may change documents."""
    writable = await context.services.knowledge_bases.writable(context.actor, ids)
    return {id_: id_ in writable for id_ in ids}


@many
async def base_grants(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, Sequence[GroupGrant]]:
    """Load with which groups bases are shared."""
    return await context.services.knowledge_bases.grants(context.actor, ids)


@one
async def last_event(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, int]:
    """Return the numbers of the last events of bases."""
    return await context.services.document_events.last_seqs(context.actor, ids)


@one
async def base_limitation(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, SearchLimitation]:
    """Load why bases are searched by words only."""
    return await context.services.knowledge_bases.limitations(context.actor, ids)
