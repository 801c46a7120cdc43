"""Helpers for tests of chat models."""

import ssl
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field

import httpx2
from pydantic import SecretStr

from nexent_gql.adapters.outbound import outbound_client
from nexent_gql.kernel.json import JsonObject, loads_object
from nexent_gql.ports.llm import (
    ChatChunk,
    ChatMessage,
    ChatRequest,
    Dialect,
    Finished,
    ModelEndpoint,
    ModelError,
    ReasoningChunk,
    TextChunk,
    ToolCall,
    ToolCallChunk,
    ToolSpec,
)
from tests.support.fake_provider import FakeProvider

CALCULATOR = ToolSpec(
    "calculator",
    "Work out an arithmetic expression.",
    {"type": "object", "properties": {"expression": {"type": "string"}}, "required": ["expression"]},
)
CLOCK = ToolSpec(
    "current_time",
    "Tell the current date and time in a time zone.",
    {"type": "object", "properties": {"timezone": {"type": "string", "default": "UTC"}}},
)
FINAL_ANSWER = ToolSpec(
    "final_answer",
    "Give the final answer.",
    {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]},
)


@dataclass
class ModelReply:
    """An answer, put together; `error` is set when it was not whole."""

    chunks: list[ChatChunk] = field(default_factory=list[ChatChunk])
    error: ModelError | None = None

    @property
    def text(self) -> str:
        return "".join(chunk.text for chunk in self.chunks if isinstance(chunk, TextChunk))

    @property
    def reasoning(self) -> str:
        return "".join(chunk.text for chunk in self.chunks if isinstance(chunk, ReasoningChunk))

    @property
    def calls(self) -> list[ToolCall]:
        pieces = [chunk for chunk in self.chunks if isinstance(chunk, ToolCallChunk)]
        indexes = dict.fromkeys(piece.index for piece in pieces)
        return [
            ToolCall(
                "".join(piece.id for piece in pieces if piece.index == index),
                "".join(piece.name for piece in pieces if piece.index == index),
                "".join(piece.arguments for piece in pieces if piece.index == index),
            )
            for index in indexes
        ]

    @property
    def named_calls(self) -> list[tuple[str, JsonObject]]:
        return [(call.name, loads_object(call.arguments)) for call in self.calls]

    @property
    def finished(self) -> Finished:
        last = self.chunks[-1]
        assert isinstance(last, Finished)
        assert sum(isinstance(chunk, Finished) for chunk in self.chunks) == 1
        return last

    @property
    def failure(self) -> ModelError:
        assert self.error is not None
        return self.error


async def collect(stream: AsyncGenerator[ChatChunk]) -> ModelReply:
    """Read a stream to its end, or to its error."""
    reply = ModelReply()
    try:
        async with aclosing(stream) as chunks:
            async for chunk in chunks:
                reply.chunks.append(chunk)
    except ModelError as error:
        reply.error = error
    return reply


def plain_client(*, max_connections: int = 100, pool_timeout_s: float = 10) -> httpx2.AsyncClient:
    """Make the client for providers on this machine; it trusts no certificates, which saves reading them each time."""
    return outbound_client(
        "any",
        max_connections=max_connections,
        pool_timeout_s=pool_timeout_s,
        ssl_context=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
    )


def ask(
    text: str = "Hi", *, tools: tuple[ToolSpec, ...] = (), system: str = "", stop: tuple[str, ...] = ()
) -> ChatRequest:
    """Make a request of one question."""
    before = (ChatMessage.from_text("system", system),) if system else ()
    return ChatRequest((*before, ChatMessage.from_text("user", text)), tools=tools, stop=stop)


def endpoint_of(provider: FakeProvider, model: str = "m", key: str | None = None) -> ModelEndpoint:
    """Return the endpoint of a fake provider."""
    return ModelEndpoint(Dialect.OPENAI, model, provider.base_url, SecretStr(key) if key is not None else None)
