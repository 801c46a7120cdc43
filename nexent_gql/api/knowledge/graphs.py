"""Estimating, building, deleting and reading knowledge graphs."""

from typing import Annotated

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.knowledge.graph_types import KnowledgeGraph
from nexent_gql.api.knowledge.graph_views import GraphView
from nexent_gql.api.knowledge.loaders import base_row
from nexent_gql.api.knowledge.mutations import ERRORS, WRITE
from nexent_gql.api.knowledge.queries import BaseId
from nexent_gql.api.knowledge.types import KnowledgeBase
from nexent_gql.api.models.costs import estimate_cost
from nexent_gql.api.schema.errors import ConflictError
from nexent_gql.api.schema.mutations import mutation
from nexent_gql.api.schema.permissions import SignedIn
from nexent_gql.api.schema.relay import find_node, node_id
from nexent_gql.domains.knowledge.graph_facts import MAX_NAME_CHARS
from nexent_gql.domains.knowledge.graph_views import MAX_DEPTH

_MODEL = "ID of the CHAT Model that reads. Null means the tenant's default model."


@strawberry.type(description="Estimate of the work to read the passages of a knowledge base for its graph.")
class KnowledgeGraphEstimate:
    passages: int = strawberry.field(description="Number of passages that have not been read.")
    calls: int = strawberry.field(description="Estimated number of calls of the model.")
    input_tokens: int = strawberry.field(
        description="Estimated number of tokens to send, at a token for 4 bytes of text."
    )
    output_tokens: int = strawberry.field(description="Estimated number of tokens that the model writes.")
    cost_usd: str | None = strawberry.field(
        description='Estimated cost in US dollars as a decimal number, such as "0.12"; null if the model has no price.'
    )


@strawberry.input(description="Input of `buildKnowledgeGraph`.")
class BuildKnowledgeGraphInput:
    knowledge_base_id: strawberry.ID = strawberry.field(description="ID of the KnowledgeBase.")
    model_id: strawberry.ID | None = strawberry.field(default=None, description=_MODEL)


@strawberry.input(description="Input of `deleteKnowledgeGraph`.")
class DeleteKnowledgeGraphInput:
    knowledge_base_id: strawberry.ID = strawberry.field(description="ID of the KnowledgeBase.")


@strawberry.type
class KnowledgeGraphQueries:
    @strawberry.field(
        description="Returns a part of the graph of a knowledge base; null if the knowledge base has no graph, does "
        "not exist or you can't read it.",
        permission_classes=[SignedIn],
    )
    async def graph(
        self,
        info: Info,
        knowledge_base_id: BaseId,
        entity: Annotated[
            str | None,
            strawberry.argument(
                description="Name of an entity, or another of its names. Ignores case, width and spaces. At most "
                f"{MAX_NAME_CHARS} characters. Null returns the entities that most passages name."
            ),
        ] = None,
        depth: Annotated[
            int | None,
            strawberry.argument(
                description=f"How many relations to go from `entity`, 0 to {MAX_DEPTH}. Default 1, also for null."
            ),
        ] = 1,
    ) -> GraphView | None:
        base = await find_node(info, base_row, knowledge_base_id, "KnowledgeBase")
        if base is None:
            return None
        service = info.context.services.knowledge_graphs
        view = await service.view(info.context.actor, base.id, entity, 1 if depth is None else depth)
        return None if view is None else GraphView.of(view)

    @strawberry.field(
        description="Estimates what `buildKnowledgeGraph` would take now; null if the knowledge base does not exist or "
        "you can't read it. Documents that are added later cost more. Changes nothing.",
        permission_classes=[SignedIn],
    )
    async def knowledge_graph_estimate(
        self,
        info: Info,
        knowledge_base_id: BaseId,
        model_id: Annotated[strawberry.ID | None, strawberry.argument(description=_MODEL)] = None,
    ) -> KnowledgeGraphEstimate | None:
        base = await find_node(info, base_row, knowledge_base_id, "KnowledgeBase")
        if base is None:
            return None
        services, key = info.context.services, None if model_id is None else node_id(model_id, "Model", "modelId")
        estimate = await services.knowledge_graphs.estimate(info.context.actor, base.id, key)
        return KnowledgeGraphEstimate(
            passages=estimate.passages,
            calls=estimate.calls,
            input_tokens=estimate.usage.input_tokens,
            output_tokens=estimate.usage.output_tokens,
            cost_usd=estimate_cost(info, estimate.model, estimate.usage),
        )


@strawberry.type
class KnowledgeGraphMutations:
    @mutation(
        "Gives a knowledge base a graph: a model reads every passage once, on your account, also those of documents "
        "that are added later. For a knowledge base with a graph, continues after a problem and reads with this model "
        "from now on. `knowledgeGraphEstimate` estimates the cost. `documentEvents` sends `KnowledgeGraphChanged`. "
        f"{WRITE}",
        payload={"graph": "The graph."},
        errors=(*ERRORS, ConflictError),
    )
    async def build_knowledge_graph(self, info: Info, input: BuildKnowledgeGraphInput) -> KnowledgeGraph:
        key = node_id(input.knowledge_base_id, "KnowledgeBase", "knowledgeBaseId")
        model_id = None if input.model_id is None else node_id(input.model_id, "Model", "modelId")
        return KnowledgeGraph.of(await info.context.services.knowledge_graphs.build(info.context.actor, key, model_id))

    @mutation(
        f"Deletes the graph of a knowledge base, and stops reading. Does nothing if it has none. {WRITE}",
        payload={"knowledge_base": "The knowledge base."},
        errors=ERRORS,
    )
    async def delete_knowledge_graph(self, info: Info, input: DeleteKnowledgeGraphInput) -> KnowledgeBase:
        key = node_id(input.knowledge_base_id, "KnowledgeBase", "knowledgeBaseId")
        row = await info.context.services.knowledge_graphs.delete(info.context.actor, key)
        return KnowledgeBase.of(row, info.context.actor.user_id)
