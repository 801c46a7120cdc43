"""What a change of a knowledge base's embedding model takes."""

from decimal import Decimal
from typing import Annotated

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.knowledge.loaders import base_row
from nexent_gql.api.models.loaders import model_by_id
from nexent_gql.api.schema.permissions import SignedIn
from nexent_gql.api.schema.relay import find_node
from nexent_gql.kernel.clock import utc_now
from nexent_gql.kernel.money import usd_text
from nexent_gql.ports.llm import Usage


@strawberry.type(description="Estimate of the work to embed all documents of a knowledge base with a model.")
class EmbeddingModelChange:
    documents: int = strawberry.field(description="Number of documents that searches can find.")
    chunks: int = strawberry.field(description="Number of chunks to embed.")
    tokens: int = strawberry.field(description="Estimated number of tokens to send, at a token for 4 bytes of text.")
    cost_usd: str | None = strawberry.field(
        description='Estimated cost in US dollars as a decimal number, such as "0.12"; null if the model has no price.'
    )


@strawberry.type
class EmbeddingModelChangeQueries:
    @strawberry.field(
        description="Estimates what `updateKnowledgeBase` with this `embeddingModelId` would take; null if the "
        "knowledge base or the model does not exist or you can't read it. Changes nothing.",
        permission_classes=[SignedIn],
    )
    async def embedding_model_change(
        self,
        info: Info,
        knowledge_base_id: Annotated[strawberry.ID, strawberry.argument(description="ID of the KnowledgeBase.")],
        embedding_model_id: Annotated[strawberry.ID, strawberry.argument(description="ID of the embedding Model.")],
    ) -> EmbeddingModelChange | None:
        base = await find_node(info, base_row, knowledge_base_id, "KnowledgeBase")
        model = await find_node(info, model_by_id, embedding_model_id, "Model")
        if base is None or model is None:
            return None
        size = await info.context.services.knowledge_bases.size(info.context.actor, base.id)
        price = info.context.services.prices.find(model.price_provider, model.provider_model, utc_now().date())
        cost: Decimal | None = None if price is None else price.cost(Usage(input_tokens=size.tokens))
        return EmbeddingModelChange(
            documents=size.documents,
            chunks=size.chunks,
            tokens=size.tokens,
            cost_usd=None if cost is None else usd_text(cost),
        )
