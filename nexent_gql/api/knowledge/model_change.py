"""Changing the embedding model of a knowledge base, and what that takes."""

from decimal import Decimal
from typing import Annotated
from uuid import UUID

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.knowledge.embedding_inputs import EmbeddingTargetInput
from nexent_gql.api.knowledge.loaders import base_row
from nexent_gql.api.knowledge.types import KnowledgeBase
from nexent_gql.api.models.costs import estimate_cost
from nexent_gql.api.schema.errors import ConflictError, ForbiddenError, NotFoundError, ValidationError
from nexent_gql.api.schema.mutations import mutation
from nexent_gql.api.schema.permissions import SignedIn
from nexent_gql.api.schema.relay import find_node, node_id
from nexent_gql.kernel.money import usd_text
from nexent_gql.ports.llm import Usage

_OWNER = "Requires that you own the knowledge base."
_ERRORS = (ValidationError, NotFoundError, ForbiddenError, ConflictError)
_PAYLOAD = {"knowledge_base": "The knowledge base; `embeddingModelChange` has the state of the change."}
_BASE_ID = "ID of the KnowledgeBase."


@strawberry.input(description="Input of `changeEmbeddingModel`.")
class ChangeEmbeddingModelInput:
    knowledge_base_id: strawberry.ID = strawberry.field(description=_BASE_ID)
    target: EmbeddingTargetInput = strawberry.field(description="What is used after the change.")


@strawberry.input(description="Input of `cancelEmbeddingModelChange`.")
class CancelEmbeddingModelChangeInput:
    knowledge_base_id: strawberry.ID = strawberry.field(description=_BASE_ID)


@strawberry.input(description="Input of `revertEmbeddingModelChange`.")
class RevertEmbeddingModelChangeInput:
    knowledge_base_id: strawberry.ID = strawberry.field(description=_BASE_ID)


@strawberry.type(description="Estimate of the work to embed all documents of a knowledge base with a model.")
class EmbeddingModelChangeEstimate:
    document_count: int = strawberry.field(description="Number of documents that searches can find.")
    chunk_count: int = strawberry.field(description="Number of chunks to embed; 0 without an embedding model.")
    token_count: int = strawberry.field(
        description="Estimated number of tokens to send, at a token for 4 bytes of text; 0 without an embedding model."
    )
    cost_usd: str | None = strawberry.field(
        description='Estimated cost in US dollars as a decimal number, such as "0.12"; null if the model has no price.'
    )
    duration_seconds: float | None = strawberry.field(
        description="Estimated duration at the speed of the model's embedding calls in the last 30 days; null if there "
        "were none."
    )


@strawberry.type
class EmbeddingModelChangeQueries:
    @strawberry.field(
        description="Estimates what `changeEmbeddingModel` would take; null if the knowledge base or the model does "
        "not exist or you can't read it. Changes nothing. Vectors that are cached cost less.",
        permission_classes=[SignedIn],
    )
    async def embedding_model_change_estimate(
        self,
        info: Info,
        knowledge_base_id: Annotated[strawberry.ID, strawberry.argument(description=_BASE_ID)],
        target: Annotated[EmbeddingTargetInput, strawberry.argument(description="What would be used.")],
    ) -> EmbeddingModelChangeEstimate | None:
        choice, services, actor = target.choice("target"), info.context.services, info.context.actor
        base = await find_node(info, base_row, knowledge_base_id, "KnowledgeBase")
        if base is None:
            return None
        size = await services.knowledge_bases.size(actor, base.id)
        row = await services.embedding_model_changes.model(actor, choice)
        if row is None:
            return None if choice.model_id or choice.route_id else _without_model(size.documents)
        speed = await services.embedding_model_changes.tokens_per_second(actor, row.id)
        return EmbeddingModelChangeEstimate(
            document_count=size.documents,
            chunk_count=size.chunks,
            token_count=size.tokens,
            cost_usd=estimate_cost(info, row, Usage(input_tokens=size.tokens)),
            duration_seconds=size.tokens / speed if speed else None,
        )


@strawberry.type
class EmbeddingModelChangeMutations:
    @mutation(
        "Changes the embedding model of a knowledge base. Its documents are embedded into a second index; searches use "
        "the present one, as a whole, until the second is complete, and then the second. Documents that are added or "
        "changed meanwhile are in both. The previous index is kept until `revertibleUntil`. A repeated call returns "
        f"the same change; another target during a change is a ConflictError. {_OWNER}",
        payload=_PAYLOAD,
        errors=_ERRORS,
    )
    async def change_embedding_model(self, info: Info, input: ChangeEmbeddingModelInput) -> KnowledgeBase:
        key = node_id(input.knowledge_base_id, "KnowledgeBase", "knowledgeBaseId")
        await info.context.services.embedding_model_changes.start(
            info.context.actor, key, input.target.choice("target")
        )
        return await _base(info, key)

    @mutation(
        "Stops a change of the embedding model, or its revert; searches go on with the index that they use. A change "
        f"that has ended stays as it is. {_OWNER}",
        payload=_PAYLOAD,
        errors=_ERRORS,
    )
    async def cancel_embedding_model_change(self, info: Info, input: CancelEmbeddingModelChangeInput) -> KnowledgeBase:
        key = node_id(input.knowledge_base_id, "KnowledgeBase", "knowledgeBaseId")
        await info.context.services.embedding_model_changes.cancel(info.context.actor, key)
        return await _base(info, key)

    @mutation(
        "Switches back to the index from before the last change of the embedding model, after embedding what was added "
        "or changed since. Possible while the change is SWITCHED. A repeated call returns the same change. "
        f"{_OWNER}",
        payload=_PAYLOAD,
        errors=_ERRORS,
    )
    async def revert_embedding_model_change(self, info: Info, input: RevertEmbeddingModelChangeInput) -> KnowledgeBase:
        key = node_id(input.knowledge_base_id, "KnowledgeBase", "knowledgeBaseId")
        await info.context.services.embedding_model_changes.revert(info.context.actor, key)
        return await _base(info, key)


def _without_model(document_count: int) -> EmbeddingModelChangeEstimate:
    """Return the estimate of a change to an index of words."""
    return EmbeddingModelChangeEstimate(
        document_count=document_count, chunk_count=0, token_count=0, cost_usd=usd_text(Decimal(0)), duration_seconds=0.0
    )


async def _base(info: Info, key: UUID) -> KnowledgeBase:
    """Return a base after a change.

    Raises:
        KnowledgeBaseNotFoundError: It was deleted meanwhile.
    """
    row = await info.context.services.knowledge_bases.get(info.context.actor, key)
    return KnowledgeBase.of(row, info.context.actor.user_id)
