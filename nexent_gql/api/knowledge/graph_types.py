"""Knowledge graphs as the schema shows them: how far they are, and events."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Self, TypedDict, cast
from uuid import UUID

import strawberry

from nexent_gql.api.context import Context, one
from nexent_gql.api.knowledge.enums import GraphState
from nexent_gql.api.knowledge.event_base import DocumentEvent, Place
from nexent_gql.api.knowledge.problems import KnowledgeProblem, problem_of
from nexent_gql.api.models.loaders import model_by_id
from nexent_gql.api.models.types import Model
from nexent_gql.api.related import related
from nexent_gql.domains.knowledge.graph_repository import GraphCounts
from nexent_gql.domains.knowledge.graphs import GraphStatus, graph_state
from nexent_gql.kernel.json import JsonObject


@strawberry.type(
    description="The knowledge graph of a knowledge base: which entities its passages name and how they relate them, "
    "as a model reads it."
)
class KnowledgeGraph:
    state: GraphState = strawberry.field(description="Whether all passages have been read.")
    passage_count: int = strawberry.field(description="Number of passages that searches can find.")
    read_passage_count: int = strawberry.field(description="How many of them have been read.")
    failed_passage_count: int = strawberry.field(
        description="How many of the read passages have no entities because the answer of the model could not be used. "
        "`buildKnowledgeGraph` reads them again."
    )
    problem: KnowledgeProblem | None = strawberry.field(description="Why it STOPPED; null in other states.")
    created_at: datetime = strawberry.field(description="When it was first requested.")
    model_id: strawberry.Private[UUID | None]
    model: Model | None = related(
        model_by_id, "model_id", description="The model that reads; null where it is the tenant's default CHAT model."
    )

    @classmethod
    def of(cls, status: GraphStatus) -> Self:
        graph, counts = status.graph, status.counts
        return cls(
            state=status.state,
            passage_count=counts.total,
            read_passage_count=counts.done,
            failed_passage_count=counts.failed,
            problem=problem_of(graph.code, graph.message, retryable=graph.is_retryable),
            created_at=graph.created_at,
            model_id=graph.model_id,
        )


@one
async def base_graph(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, KnowledgeGraph]:
    """Load the graphs of bases that the caller may read."""
    statuses = await context.services.knowledge_graphs.of_bases(context.actor, ids)
    return {base_id: KnowledgeGraph.of(status) for base_id, status in statuses.items()}


class _ChangedBody(TypedDict):
    """Written by `domains.knowledge.events.graph_changed`."""

    is_deleted: bool
    total: int
    done: int
    failed: int
    code: str | None
    message: str | None
    retryable: bool


@strawberry.type(
    description="The knowledge graph was requested, came further, stopped, became READY or was deleted. The fields "
    "show the graph as it was then."
)
class KnowledgeGraphChanged(DocumentEvent):
    graph_state: GraphState | None = strawberry.field(description="State of the graph; null if it was deleted.")
    passage_count: int = strawberry.field(description="Number of passages that searches could find.")
    read_passage_count: int = strawberry.field(description="How many of them had been read.")
    failed_passage_count: int = strawberry.field(
        description="How many of the read passages had an answer of the model that could not be used."
    )
    graph_problem: KnowledgeProblem | None = strawberry.field(description="Why it STOPPED; null in other states.")

    @classmethod
    def of(cls, place: Place, _: UUID, body: JsonObject) -> Self:
        values = cast("_ChangedBody", body)
        counts = GraphCounts(values["total"], values["done"], values["failed"])
        return cls(
            **place,
            graph_state=None if values["is_deleted"] else graph_state(values["code"], counts),
            passage_count=counts.total,
            read_passage_count=counts.done,
            failed_passage_count=counts.failed,
            graph_problem=problem_of(values["code"], values["message"], retryable=values["retryable"]),
        )
