"""Calls of embedding and reranking models within the limits of their models."""

from typing import Protocol

from nexent_gql.adapters.llm_router.admission import Candidate
from nexent_gql.adapters.llm_router.router import ModelRouter
from nexent_gql.adapters.llm_tokens import estimate_text_tokens
from nexent_gql.ports.embeddings import Embedder, EmbeddingRequest, Embeddings
from nexent_gql.ports.llm import ModelEndpoint, RemoteModel
from nexent_gql.ports.rerank import Reranker, Reranking, RerankRequest


class VectorModels(Embedder, Reranker, Protocol):
    """The embedding and reranking models of one dialect; a request is one batch, and is sent once."""

    async def list_models(self, endpoint: ModelEndpoint) -> tuple[RemoteModel, ...]: ...


class LimitedVectorModels:
    """Implements the ports `Embedder` and `Reranker`: others whose calls go through limits, queues and circuits.

    Args:
        models: Makes the calls.
        router: Has limits and circuits.
    """

    def __init__(self, models: VectorModels, router: ModelRouter) -> None:
        self._models = models
        self._router = router

    async def embed(self, endpoint: ModelEndpoint, request: EmbeddingRequest) -> Embeddings:
        candidate = Candidate(request.attribution, lambda: sum(map(estimate_text_tokens, request.texts)))
        return await self._router.call(endpoint, candidate, lambda: self._models.embed(endpoint, request))

    async def rerank(self, endpoint: ModelEndpoint, request: RerankRequest) -> Reranking:
        texts = (*request.passages, *(request.query for _ in request.passages))
        candidate = Candidate(request.attribution, lambda: sum(map(estimate_text_tokens, texts)))
        return await self._router.call(endpoint, candidate, lambda: self._models.rerank(endpoint, request))

    async def list_models(self, endpoint: ModelEndpoint) -> tuple[RemoteModel, ...]:
        return await self._models.list_models(endpoint)
