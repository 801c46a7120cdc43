"""Vectors that were computed before, and those that are being computed for somebody else."""

import asyncio
from array import array
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from uuid import UUID

import structlog

from nexent_gql.adapters.embedding_gateway import EmbeddingModels
from nexent_gql.kernel.errors import UnavailableError
from nexent_gql.kernel.json import dumps
from nexent_gql.ports.embeddings import EmbeddingRequest, Embeddings, Vector
from nexent_gql.ports.llm import ModelRequestRefusedError, Usage
from nexent_gql.ports.llm_routes import ModelRoute
from nexent_gql.ports.rerank import Reranking, RerankRequest
from nexent_gql.ports.tenant_cache import TenantCache
from nexent_gql.telemetry.models import ModelMetrics

CACHE_S = 0.5
"""How long the cache may take; a provider is faster than a cache that hangs."""
_log = structlog.get_logger()


class CachedEmbeddingModels:
    """Implements the ports `Embedder` and `Reranker`: others whose vectors are cached for each tenant.

    A text that is being embedded for the same tenant is not embedded again at the same time; neither is a text that
    occurs twice in a request. Requests without attribution are not cached. Without the cache everything is computed.

    Args:
        models: Computes vectors.
        cache: Keeps them.
        metrics: Counts lookups.
    """

    def __init__(self, models: EmbeddingModels, cache: TenantCache, metrics: ModelMetrics | None = None) -> None:
        self._metrics = metrics or ModelMetrics()
        self._models = models
        self._cache = cache
        self._pending: dict[tuple[UUID, str], asyncio.Future[Vector | None]] = {}

    async def rerank(self, route: ModelRoute, request: RerankRequest) -> Reranking:
        """See `Reranker`; scores are not cached."""
        return await self._models.rerank(route, request)

    async def embed(self, route: ModelRoute, request: EmbeddingRequest) -> Embeddings:
        if request.attribution is None or not request.texts:
            return await self._models.embed(route, request)
        tenant_id = request.attribution.tenant_id
        digests = [_digest(route, request, text) for text in request.texts]
        texts = dict(zip(digests, request.texts, strict=True))
        vectors = await self._find(tenant_id, [*texts])
        computed: Embeddings | None = None
        cached_texts = sum(digest in vectors for digest in digests)
        self._metrics.count_lookups("vectors", cached_texts, len(digests) - cached_texts)
        shared = {key: self._pending[key] for digest in texts if (key := (tenant_id, digest)) in self._pending}
        missing = [digest for digest in texts if digest not in vectors and (tenant_id, digest) not in shared]
        if missing:
            computed = await self._compute(route, request, tenant_id, {digest: texts[digest] for digest in missing})
            vectors |= dict(zip(missing, computed.vectors, strict=True))
        for (_, digest), future in shared.items():
            vector = await asyncio.shield(future)
            if vector is not None:
                vectors.setdefault(digest, vector)
        failed_digests = [digest for digest in texts if digest not in vectors]  # the other caller failed
        if failed_digests:
            computed = await self._compute(
                route, request, tenant_id, {digest: texts[digest] for digest in failed_digests}
            )
            vectors |= dict(zip(failed_digests, computed.vectors, strict=True))
        return _result(route, [vectors[digest] for digest in digests], computed, cached_texts)

    async def _compute(
        self, route: ModelRoute, request: EmbeddingRequest, tenant_id: UUID, texts: dict[str, str]
    ) -> Embeddings:
        """Embed texts by digest and cache them; others who need the same texts meanwhile wait for them."""
        keys = [(tenant_id, digest) for digest in texts]
        futures = {key: asyncio.get_running_loop().create_future() for key in keys if key not in self._pending}
        self._pending |= futures
        vectors: dict[tuple[UUID, str], Vector] = {}
        try:
            result = await self._models.embed(route, replace(request, texts=tuple(texts.values())))
            vectors = dict(zip(keys, result.vectors, strict=True))
        finally:
            for key, future in futures.items():
                del self._pending[key]
                future.set_result(vectors.get(key))
        await self._store(tenant_id, {digest: vector.tobytes() for (_, digest), vector in vectors.items()})
        return result

    async def _find(self, tenant_id: UUID, digests: Sequence[str]) -> dict[str, Vector]:
        try:
            async with asyncio.timeout(CACHE_S):
                values = await self._cache.find_many(tenant_id, digests)
        except (UnavailableError, TimeoutError) as error:
            _log.warning("embedding_cache.unavailable", error=type(error).__name__)
            return {}
        pairs = zip(digests, values, strict=True)
        return {digest: array("f", value) for digest, value in pairs if value and len(value) % 4 == 0}

    async def _store(self, tenant_id: UUID, values: dict[str, bytes]) -> None:
        try:
            async with asyncio.timeout(CACHE_S):
                await self._cache.store_many(tenant_id, values)
        except (UnavailableError, TimeoutError) as error:
            _log.warning("embedding_cache.unavailable", error=type(error).__name__)


def _digest(route: ModelRoute, request: EmbeddingRequest, text: str) -> str:
    """Return the key of a vector: all that decides about it, which of a route's deployments does not.

    Raises:
        ModelRequestRefusedError: The text cannot be sent either.
    """
    try:
        place: tuple[object, ...]
        if route.vectors is not None:
            place = (route.identity,)
        else:
            endpoint = route.deployments[0].endpoint
            place = (endpoint.dialect, endpoint.base_url, endpoint.query, endpoint.model, endpoint.dimensions)
        return sha256(dumps([*place, request.purpose, text])).hexdigest()
    except TypeError as error:  # half a surrogate pair
        raise ModelRequestRefusedError("A text has characters that are no valid text.", cause="NOT_UNICODE") from error


def _result(route: ModelRoute, vectors: Sequence[Vector], computed: Embeddings | None, cached_texts: int) -> Embeddings:
    if computed is not None:
        return replace(computed, vectors=tuple(vectors), cached_texts=cached_texts)
    return Embeddings(
        tuple(vectors), route.deployments[0].endpoint.model, len(vectors[0]), Usage(), cached_texts=cached_texts
    )
