"""Changes of embedding models as the schema shows them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Self
from uuid import UUID

import strawberry

from nexent_gql.api.context import Context, one
from nexent_gql.api.knowledge.enums import EmbeddingMode, EmbeddingModelChangeState
from nexent_gql.api.knowledge.problems import KnowledgeProblem, problem_of
from nexent_gql.api.models.loaders import model_by_id
from nexent_gql.api.models.route_loaders import route_by_id
from nexent_gql.api.models.route_types import ModelRoute
from nexent_gql.api.models.types import Model
from nexent_gql.api.related import related
from nexent_gql.domains.knowledge.model_changes import ModelChangeRow


@strawberry.type(
    description="A change of the embedding model of a knowledge base. Its documents are embedded into a second index, "
    "and searches use the first one until the second is complete."
)
class EmbeddingModelChange:
    state: EmbeddingModelChangeState = strawberry.field(description="State of the change.")
    document_count: int = strawberry.field(
        description="Number of documents that searches can find, including those added since the change began."
    )
    embedded_document_count: int = strawberry.field(
        description="How many of them are in the index that is being built; all of them when nothing is being built."
    )
    embedding_mode: EmbeddingMode = strawberry.field(description="How documents are compared after the change.")
    previous_embedding_mode: EmbeddingMode = strawberry.field(
        description="How documents were compared before the change."
    )
    problem: KnowledgeProblem | None = strawberry.field(
        description="Why the change FAILED, or why the last attempt to revert it failed; null otherwise."
    )
    created_at: datetime = strawberry.field(description="When the change was requested.")
    switched_at: datetime | None = strawberry.field(
        description="When searches began to use the new model; null before."
    )
    revertible_until: datetime | None = strawberry.field(
        description="When the previous index is deleted and the change can no longer be reverted; null before the "
        "switch."
    )
    model_id: strawberry.Private[UUID | None]
    previous_model_id: strawberry.Private[UUID | None]
    route_id: strawberry.Private[UUID | None]
    previous_route_id: strawberry.Private[UUID | None]
    embedding_route: ModelRoute | None = related(
        route_by_id,
        "route_id",
        description="The route after the change; null unless `embeddingMode` is ROUTE, and if the route was deleted.",
    )
    previous_embedding_route: ModelRoute | None = related(
        route_by_id,
        "previous_route_id",
        description="The route before the change; null unless `previousEmbeddingMode` is ROUTE, and if the route was "
        "deleted.",
    )
    embedding_model: Model | None = related(
        model_by_id,
        "model_id",
        description="The model after the change; null without one, and if it was deleted.",
    )
    previous_embedding_model: Model | None = related(
        model_by_id,
        "previous_model_id",
        description="The model before the change; null without one, and if it was deleted.",
    )

    @classmethod
    def of(cls, row: ModelChangeRow) -> Self:
        change, progress = row.change, row.progress
        return cls(
            state=EmbeddingModelChangeState(change.state),
            document_count=progress.documents,
            embedded_document_count=progress.documents if change.target is None else progress.entries,
            embedding_mode=change.embedding.mode,
            previous_embedding_mode=change.previous_embedding.mode,
            problem=problem_of(change.code, change.message, retryable=change.is_retryable),
            created_at=change.created_at,
            switched_at=change.switched_at,
            revertible_until=change.revertible_until,
            model_id=change.model_id,
            previous_model_id=change.previous_model_id,
            route_id=change.route_id,
            previous_route_id=change.previous_route_id,
        )


@one
async def newest_model_change(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, EmbeddingModelChange]:
    """Load the newest change of each base that the caller may read."""
    rows = await context.services.embedding_model_changes.newest(context.actor, ids)
    return {base_id: EmbeddingModelChange.of(row) for base_id, row in rows.items()}
