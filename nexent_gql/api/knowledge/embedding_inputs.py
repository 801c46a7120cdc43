"""How clients choose an embedding model."""

import strawberry

from nexent_gql.api.knowledge.enums import EmbeddingMode
from nexent_gql.api.schema.relay import node_id
from nexent_gql.domains.knowledge.tables import EmbeddingChoice
from nexent_gql.kernel.errors import InvalidInputError


@strawberry.input(
    description="How the documents of a knowledge base are compared by meaning. Set exactly one field.", one_of=True
)
class EmbeddingTargetInput:
    embedding_model_id: strawberry.Maybe[strawberry.ID] = strawberry.field(
        default=None, description="ID of the embedding Model that is used."
    )
    embedding_route_id: strawberry.Maybe[strawberry.ID] = strawberry.field(
        default=None, description="ID of the ModelRoute of the kind EMBEDDING that is used."
    )
    mode: strawberry.Maybe[EmbeddingMode] = strawberry.field(
        default=None,
        description="TENANT_DEFAULT, which is the model or route that is the default now, or NONE. MODEL and ROUTE are "
        "refused: set `embeddingModelId` or `embeddingRouteId` instead.",
    )

    def choice(self, *path: str) -> EmbeddingChoice:
        """Return what the service takes; `path` leads to this input.

        Raises:
            InvalidIdError: `embeddingModelId` is no id of a model, or `embeddingRouteId` none of a route.
            InvalidInputError: The mode is MODEL or ROUTE.
        """
        if self.embedding_model_id is not None:
            return EmbeddingChoice(node_id(self.embedding_model_id.value, "Model", *path, "embeddingModelId"))
        if self.embedding_route_id is not None:
            key = node_id(self.embedding_route_id.value, "ModelRoute", *path, "embeddingRouteId")
            return EmbeddingChoice(route_id=key)
        if self.mode is None or self.mode.value in {EmbeddingMode.MODEL, EmbeddingMode.ROUTE}:
            message = "Set `embeddingModelId` to name a model, or `embeddingRouteId` to name a route."
            raise InvalidInputError(message, path=(*path, "mode"))
        return EmbeddingChoice(is_keyword_only=self.mode.value is EmbeddingMode.NONE)
