"""Routes over models for tests."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field

from nexent_gql.adapters.llm_capacity import MemoryCapacity
from nexent_gql.adapters.llm_router import ModelRouter, RetryPolicy
from nexent_gql.ports.llm import LanguageModels, ModelError
from nexent_gql.ports.llm_routes import RouteChunk


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
