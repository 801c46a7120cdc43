"""The gateway to all embedding and reranking models: checks requests, and divides them into batches."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from nexent_gql.adapters.embedding_batches import LearnedSizes, by_size
from nexent_gql.ports.embeddings import MAX_TEXTS, Embedder, EmbeddingRequest, Embeddings
from nexent_gql.ports.llm import Usage
from nexent_gql.ports.llm_errors import (
    ModelContextTooLongError,
    ModelError,
    ModelProtocolError,
    ModelRequestRefusedError,
)
from nexent_gql.ports.llm_routes import ModelRoute
from nexent_gql.ports.rerank import MAX_PASSAGES, Reranker, Reranking, RerankRequest

_TOO_MUCH = (ModelContextTooLongError, ModelRequestRefusedError)
"""What a provider may answer when a batch is larger than it accepts; few say so in words of their own."""


class EmbeddingModels(Embedder, Reranker, Protocol):
    """Embedding and reranking models behind one object."""


class EmbeddingGateway:
    """Implements the ports `Embedder` and `Reranker`.

    Args:
        models: Takes one batch at a time.
        sizes: How many texts of a batch were accepted before.
    """

    def __init__(self, models: EmbeddingModels, sizes: LearnedSizes | None = None) -> None:
        self._models = models
        self._sizes = sizes or LearnedSizes()

    async def embed(self, route: ModelRoute, request: EmbeddingRequest) -> Embeddings:
        """See `Embedder`; batches are sent one after the other.

        A batch fits all deployments of the route. One that is refused is sent again in halves, because providers
        differ in how much they accept.
        """
        _require_texts(request.texts, MAX_TEXTS)
        size = min(self._sizes.of(deployment.endpoint) for deployment in route.deployments)
        waiting = by_size(request.texts, size)[::-1]
        results: list[Embeddings] = []
        while waiting:
            texts = waiting.pop()
            if len(texts) > size:  # a smaller batch was accepted meanwhile
                waiting += by_size(texts, size)[::-1]
                continue
            try:
                results.append(await self._models.embed(route, replace(request, texts=texts)))
            except _TOO_MUCH as error:
                if len(texts) == 1 or _is_final(error):
                    raise
                size = len(texts) // 2
                waiting.append(texts)
        for deployment in route.deployments:
            self._sizes.learn(deployment.endpoint, size)
        return _joined(results)

    async def rerank(self, route: ModelRoute, request: RerankRequest) -> Reranking:
        """See `Reranker`; the passages go to the provider in one request, so that their scores can be compared."""
        _require_texts((request.query,), 1)
        _require_texts(request.passages, MAX_PASSAGES)
        return await self._models.rerank(route, request)


def _require_texts(texts: Sequence[str], limit: int) -> None:
    if not 1 <= len(texts) <= limit:
        raise ModelRequestRefusedError(f"A request has 1 to {limit:,} texts.", cause="TEXTS")
    if any(not text or text.isspace() for text in texts):
        raise ModelRequestRefusedError("A text is blank, which no model can embed or score.", cause="BLANK_TEXT")


def _is_final(error: ModelError) -> bool:
    """Tell whether a smaller batch would be refused just the same."""
    return error.details.get("cause") in {"REGION", "WEB_PAGE", "NOT_UNICODE"}


def _joined(batches: Sequence[Embeddings]) -> Embeddings:
    """Join the results of batches.

    Raises:
        ModelProtocolError: The vectors of one batch are longer than those of another.
    """
    first = batches[0]
    if any(batch.dimensions != first.dimensions for batch in batches):
        raise ModelProtocolError("The model returned vectors of different lengths.", cause="DIMENSIONS")
    return replace(
        first,
        vectors=tuple(vector for batch in batches for vector in batch.vectors),
        usage=sum((batch.usage for batch in batches), Usage()),
        is_estimated=any(batch.is_estimated for batch in batches),
    )
