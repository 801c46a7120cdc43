"""The offline dialect: decides on a reply in a thread, then streams it."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

from nexent_gql.adapters.llm_offline.reply import answer_chunks
from nexent_gql.adapters.llm_offline.text import count_tokens
from nexent_gql.ports.llm import (
    ChatChunk,
    ChatRequest,
    Finished,
    ModelEndpoint,
    ReasoningChunk,
    RemoteModel,
    ToolCallChunk,
    Usage,
)


class OfflineModels:
    """Answers every endpoint of the dialect alike; equal requests get equal answers.

    Args:
        tokens_per_s: The pace of streaming; 0 streams without pauses.

    Raises:
        ValueError: The pace is negative.
    """

    def __init__(self, *, tokens_per_s: float = 40) -> None:
        if tokens_per_s < 0:
            raise ValueError("tokens_per_s must not be negative")
        self._tokens_per_s = tokens_per_s

    async def stream(self, endpoint: ModelEndpoint, request: ChatRequest) -> AsyncGenerator[ChatChunk]:
        """Stream one answer; the last item is `Finished`."""
        del endpoint
        chunks = await asyncio.to_thread(answer_chunks, request)
        chunks_in_limit = chunks if request.max_output_tokens is None else chunks[: request.max_output_tokens]
        loop = asyncio.get_running_loop()
        started_at = loop.time()
        for number, chunk in enumerate(chunks_in_limit, start=1):
            due_at = started_at + number / self._tokens_per_s if self._tokens_per_s else 0
            await asyncio.sleep(max(0.0, due_at - loop.time()))
            yield chunk
        yield finish(request, chunks_in_limit, is_cut=len(chunks_in_limit) < len(chunks))

    async def list_models(self, endpoint: ModelEndpoint) -> tuple[RemoteModel, ...]:
        """Return the one model there is."""
        del endpoint
        return (RemoteModel("offline"),)


def finish(request: ChatRequest, chunks: Sequence[ChatChunk], *, is_cut: bool) -> Finished:
    """Return the last item of an answer; a token is roughly a word."""
    usage = Usage(
        input_tokens=sum(count_tokens(message.text) for message in request.messages),
        output_tokens=len(chunks),
        reasoning_tokens=sum(isinstance(chunk, ReasoningChunk) for chunk in chunks),
    )
    if is_cut:
        return Finished("length", usage)
    return Finished("tool_calls" if any(isinstance(chunk, ToolCallChunk) for chunk in chunks) else "stop", usage)
