"""The offline model as a dialect: decides in a thread, then streams at its pace."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

from nexent_gql.adapters.llm_offline.prose import count_tokens
from nexent_gql.adapters.llm_offline.rendering import chunks_of
from nexent_gql.adapters.llm_offline.rules import decide
from nexent_gql.adapters.llm_offline.scene import Scene
from nexent_gql.ports.llm import ChatChunk, ChatRequest, Finished, ModelEndpoint, ReasoningChunk, ToolCallChunk, Usage


class OfflineModels:
    """Answers every endpoint of the dialect alike; the same request gets the same answer.

    Args:
        tokens_per_s: The pace of streaming; 0 streams without a pause.

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
        chunks = await asyncio.to_thread(answer_to, request)
        limit = request.max_output_tokens
        shown = chunks if limit is None else chunks[:limit]
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number, chunk in enumerate(shown, start=1):
            await self._pause(began + number / self._tokens_per_s - loop.time() if self._tokens_per_s else 0)
            yield chunk
        yield finished(request, shown, cut=len(shown) < len(chunks))

    async def _pause(self, left_s: float) -> None:
        await asyncio.sleep(max(0.0, left_s))


def answer_to(request: ChatRequest) -> Sequence[ChatChunk]:
    """Work out the whole answer; takes milliseconds, on texts of bounded size."""
    scene = Scene(request)
    return [*chunks_of(scene, decide(scene))]


def finished(request: ChatRequest, chunks: Sequence[ChatChunk], *, cut: bool) -> Finished:
    """End an answer, with tokens counted roughly as words."""
    usage = Usage(
        input_tokens=sum(count_tokens(message.text) for message in request.messages),
        output_tokens=len(chunks),
        reasoning_tokens=sum(isinstance(chunk, ReasoningChunk) for chunk in chunks),
    )
    if cut:
        return Finished("length", usage)
    return Finished("tool_calls" if any(isinstance(chunk, ToolCallChunk) for chunk in chunks) else "stop", usage)
