"""Calls of embedding and reranking models through routes."""

from typing import Protocol

from nexent_gql.adapters.llm_router.admission import Candidate
from nexent_gql.adapters.llm_router.router import ModelRouter
from nexent_gql.adapters.llm_tokens import estimate_text_tokens
from nexent_gql.ports.embeddings import EmbeddingRequest, Embeddings
from nexent_gql.ports.llm import ModelEndpoint, ModelProtocolError, RemoteModel
from nexent_gql.ports.llm_routes import ModelRoute
from nexent_gql.ports.rerank import Reranking, RerankRequest


class VectorCalls(Protocol):
    """Embedding and reranking models by endpoint; a request is one batch, and is sent once."""

    async def embed(self, endpoint: ModelEndpoint, request: EmbeddingRequest) -> Embeddings: ...

    async def rerank(self, endpoint: ModelEndpoint, request: RerankRequest) -> Reranking: ...


class VectorModels(VectorCalls, Protocol):
    """The embedding and reranking models of one dialect."""

    async def list_models(self, endpoint: ModelEndpoint) -> tuple[RemoteModel, ...]: ...


class RoutedVectorModels:
    """Implements the ports `Embedder` and `Reranker` for requests of one batch.

    Args:
        models: Makes the calls.
        router: Chooses deployments, and tries others when one fails.
    """

    def __init__(self, models: VectorCalls, router: ModelRouter) -> None:
        self._models = models
        self._router = router

    async def embed(self, route: ModelRoute, request: EmbeddingRequest) -> Embeddings:
        async def call(endpoint: ModelEndpoint) -> Embeddings:
            result = await self._models.embed(endpoint, request)
            if route.vectors is not None and result.dimensions != route.vectors.dimensions:
                raise ModelProtocolError(
                    f"The model returned vectors of {result.dimensions} dimensions where its route has "
                    f"{route.vectors.dimensions}. Take it out of the route, or correct its settings.",
                    cause="DIMENSIONS",
                )
            return result

        candidate = Candidate(request.attribution, lambda: sum(map(estimate_text_tokens, request.texts)))
        return await self._router.call(route, candidate, call)

    async def rerank(self, route: ModelRoute, request: RerankRequest) -> Reranking:
        async def call(endpoint: ModelEndpoint) -> Reranking:
            return await self._models.rerank(endpoint, request)

        texts = (*request.passages, *(request.query for _ in request.passages))
        candidate = Candidate(request.attribution, lambda: sum(map(estimate_text_tokens, texts)))
        return await self._router.call(route, candidate, call)
