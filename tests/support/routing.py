"""Routes over models for tests."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

from nexent_gql.adapters.embedding_gateway import EmbeddingGateway
from nexent_gql.adapters.embedding_trials import EmbeddingTrials, VectorDialects
from nexent_gql.adapters.llm_capacity import MemoryCapacity
from nexent_gql.adapters.llm_gateway import LanguageModelGateway
from nexent_gql.adapters.llm_router import ModelRouter, RetryPolicy, RoutedVectorModels
from nexent_gql.adapters.llm_router.vectors import VectorModels
from nexent_gql.ports.llm import Dialect, LanguageModels, ModelError
from nexent_gql.ports.llm_capacity import Capacity
from nexent_gql.ports.llm_routes import RouteChunk

Sleep = Callable[[float], Awaitable[None]]


def vector_gateway(
    dialects: Mapping[Dialect, VectorModels],
    *,
    retry: RetryPolicy | None = None,
    sleep: Sleep = asyncio.sleep,
    capacity: Capacity | None = None,
) -> EmbeddingGateway:
    """Return embedding and reranking models behind routes, without accounts."""
    models = VectorDialects(dialects)
    checks = LanguageModelGateway({}, vectors=EmbeddingTrials(models))
    router = ModelRouter(checks, capacity or MemoryCapacity(), retry=retry, sleep=sleep)
    return EmbeddingGateway(RoutedVectorModels(models, router))


def routed(models: LanguageModels) -> ModelRouter:
    """Return a router that tries nothing again."""
    return ModelRouter(models, MemoryCapacity(), retry=RetryPolicy(rounds=1))


@dataclass
class RouteReply:
    """What a caller of a route sees."""

    chunks: list[RouteChunk] = field(default_factory=list[RouteChunk])
    error_code: str | None = None


async def collect(stream: AsyncGenerator[RouteChunk]) -> RouteReply:
    """Read an answer to its end, or to its error."""
    reply = RouteReply()
    try:
        async with aclosing(stream) as chunks:
            async for chunk in chunks:
                reply.chunks.append(chunk)
    except ModelError as error:
        reply.error_code = error.code
    return reply
