"""Single calls of embedding and reranking models by dialect, and trials of what a model can do."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

from nexent_gql.adapters.embedding_batches import LearnedSizes
from nexent_gql.adapters.embedding_gateway import EmbeddingGateway
from nexent_gql.adapters.llm_http.dialect import models_of
from nexent_gql.adapters.llm_router.vectors import VectorModels
from nexent_gql.ports.embeddings import EmbeddingRequest, Embeddings
from nexent_gql.ports.llm import Dialect, ModelEndpoint, ModelError, ModelKind, ModelProfile, RemoteModel
from nexent_gql.ports.llm_routes import ModelRoute
from nexent_gql.ports.rerank import Reranking, RerankRequest


class VectorDialects:
    """Implements `VectorModels` over those of each dialect, which stay the caller's to close."""

    def __init__(self, dialects: Mapping[Dialect, VectorModels]) -> None:
        self._dialects = dialects

    async def embed(self, endpoint: ModelEndpoint, request: EmbeddingRequest) -> Embeddings:
        return await models_of(self._dialects, endpoint).embed(endpoint, request)

    async def rerank(self, endpoint: ModelEndpoint, request: RerankRequest) -> Reranking:
        return await models_of(self._dialects, endpoint).rerank(endpoint, request)

    async def list_models(self, endpoint: ModelEndpoint) -> tuple[RemoteModel, ...]:
        return await models_of(self._dialects, endpoint).list_models(endpoint)


class UnroutedVectorModels:
    """Implements the ports `Embedder` and `Reranker` by one call of the first deployment, without limits or retries."""

    def __init__(self, models: VectorModels) -> None:
        self._models = models

    async def embed(self, route: ModelRoute, request: EmbeddingRequest) -> Embeddings:
        return await self._models.embed(route.deployments[0].endpoint, request)

    async def rerank(self, route: ModelRoute, request: RerankRequest) -> Reranking:
        return await self._models.rerank(route.deployments[0].endpoint, request)


class EmbeddingTrials:
    """Implements `VectorChecks`; nothing is tried again."""

    def __init__(self, models: VectorModels) -> None:
        self._models = models
        self._sizes = LearnedSizes()
        self._gateway = EmbeddingGateway(UnroutedVectorModels(models), self._sizes)

    async def check(self, endpoint: ModelEndpoint) -> ModelProfile:
        """See `VectorChecks`."""
        if endpoint.kind is ModelKind.RERANK:
            await self._models.rerank(endpoint, RerankRequest("Is this a test?", ("Yes, a test.", "No.")))
            return ModelProfile()
        embeddings = await self._models.embed(endpoint, EmbeddingRequest(("This is a test.",)))
        return ModelProfile(dimensions=embeddings.dimensions)

    async def probe(self, endpoint: ModelEndpoint, profile: ModelProfile) -> ModelProfile:
        """See `VectorChecks`: tries a batch of 64 short texts, and reads the provider's list."""
        with suppress(ModelError):
            entries = await self.list_models(endpoint)
            tokens = next((entry.context_window_tokens for entry in entries if entry.name == endpoint.model), None)
            profile = replace(profile, max_input_tokens=tokens)
        if endpoint.kind is ModelKind.EMBEDDING and not endpoint.dialect.is_built_in:
            with suppress(ModelError):
                texts = ("This is a test.",) * self._sizes.of(endpoint)
                await self._gateway.embed(ModelRoute.of(endpoint), EmbeddingRequest(texts))
                profile = replace(profile, batch_size=self._sizes.of(endpoint))
        return profile

    async def list_models(self, endpoint: ModelEndpoint) -> tuple[RemoteModel, ...]:
        """See `ModelDirectory`; for dialects without chat models."""
        return await self._models.list_models(endpoint)
