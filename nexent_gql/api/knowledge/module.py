"""What knowledge bases add to the schema."""

from nexent_gql.api.knowledge.batches import (
    DocumentBatch,
    DocumentBatchMutations,
    DocumentBatchQueries,
    batch_by_id,
)
from nexent_gql.api.knowledge.editing import ChunkMutations
from nexent_gql.api.knowledge.events import EVENT_TYPES
from nexent_gql.api.knowledge.graphs import KnowledgeGraphMutations, KnowledgeGraphQueries
from nexent_gql.api.knowledge.model_change import EmbeddingModelChangeMutations, EmbeddingModelChangeQueries
from nexent_gql.api.knowledge.mutations import KnowledgeMutations
from nexent_gql.api.knowledge.nodes import base_by_id, chunk_by_id, document_by_id
from nexent_gql.api.knowledge.preview import ChunkPreviewQueries
from nexent_gql.api.knowledge.queries import KnowledgeQueries
from nexent_gql.api.knowledge.search import KnowledgeSearchQueries
from nexent_gql.api.knowledge.subscriptions import KnowledgeSubscriptions
from nexent_gql.api.knowledge.summaries import KnowledgeSummaryMutations, KnowledgeSummaryQueries
from nexent_gql.api.knowledge.summary_types import KnowledgeSummary, summary_by_id
from nexent_gql.api.knowledge.types import Document, DocumentChunk, KnowledgeBase
from nexent_gql.api.schema.module import SchemaModule

MODULE = SchemaModule(
    queries=(
        KnowledgeQueries,
        KnowledgeSearchQueries,
        ChunkPreviewQueries,
        DocumentBatchQueries,
        EmbeddingModelChangeQueries,
        KnowledgeSummaryQueries,
        KnowledgeGraphQueries,
    ),
    mutations=(
        KnowledgeMutations,
        DocumentBatchMutations,
        ChunkMutations,
        EmbeddingModelChangeMutations,
        KnowledgeSummaryMutations,
        KnowledgeGraphMutations,
    ),
    subscriptions=(KnowledgeSubscriptions,),
    types=EVENT_TYPES,
    nodes={
        KnowledgeBase: base_by_id,
        Document: document_by_id,
        DocumentChunk: chunk_by_id,
        DocumentBatch: batch_by_id,
        KnowledgeSummary: summary_by_id,
    },
)
