"""How large knowledge bases are."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Self
from uuid import UUID

import strawberry

from nexent_gql.api.context import Context, one
from nexent_gql.domains.knowledge.statistics import BaseStatistics
from nexent_gql.domains.knowledge.tables import DocumentState


@strawberry.type(description="What is in a knowledge base. Documents count by the state of their latest version.")
class KnowledgeBaseStatistics:
    document_count: int = strawberry.field(description="Number of documents.")
    queued_count: int = strawberry.field(description="How many wait to be processed.")
    processing_count: int = strawberry.field(description="How many are processed now.")
    ready_count: int = strawberry.field(description="How many are READY.")
    failed_count: int = strawberry.field(description="How many FAILED.")
    cancelled_count: int = strawberry.field(description="How many were cancelled.")
    chunk_count: int = strawberry.field(
        description="Number of chunks of the versions that are found, including those that are not enabled."
    )
    char_count: float = strawberry.field(
        description="Number of characters of the texts that are found, a whole number."
    )
    size_bytes: float = strawberry.field(
        description="Bytes of the files and texts that are found, a whole number. Pages of the web are not counted."
    )
    last_changed_at: datetime | None = strawberry.field(
        description="When a document last changed; null without documents."
    )

    @classmethod
    def of(cls, statistics: BaseStatistics) -> Self:
        counts = statistics.documents
        return cls(
            document_count=sum(counts.values()),
            queued_count=counts.get(DocumentState.QUEUED, 0),
            processing_count=counts.get(DocumentState.PROCESSING, 0),
            ready_count=counts.get(DocumentState.READY, 0),
            failed_count=counts.get(DocumentState.FAILED, 0),
            cancelled_count=counts.get(DocumentState.CANCELLED, 0),
            chunk_count=statistics.chunk_count,
            char_count=float(statistics.char_count),
            size_bytes=float(statistics.size_bytes),
            last_changed_at=statistics.changed_at,
        )


@one
async def base_statistics(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, KnowledgeBaseStatistics]:
    """Load the statistics of bases that the caller may read."""
    statistics = await context.services.knowledge_statistics.of_bases(context.actor, ids)
    return {id_: KnowledgeBaseStatistics.of(each) for id_, each in statistics.items()}
