"""Whole answers of chat models, for callers that do not show tokens one by one."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field

from nexent_gql.ports.llm import ChatRequest, Finished, TextChunk, TextWasReasoning
from nexent_gql.ports.llm_routes import ModelRoute, ModelSwitch, RoutedModels

_CUT_OFF = ("length", "content_filter")


@dataclass(slots=True)
class PartialAnswer:
    """What has arrived of an answer.

    Attributes:
        parts: Its text so far.
        size_chars: Length of the text.
        starts: How often the answer restarted, because it was reasoning or another model went on.
        end_reason: Why it ended; None while it has not.
        is_too_long: Whether it was closed because it is longer than the caller accepts.
    """

    parts: list[str] = field(default_factory=list[str])
    size_chars: int = 0
    starts: int = 0
    end_reason: str | None = None
    is_too_long: bool = False

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self.parts)

    @property
    def is_whole(self) -> bool:
        """Whether the answer ended by itself: it was neither cut off by a limit nor by a filter."""
        return self.end_reason is not None and self.end_reason not in _CUT_OFF and not self.is_too_long

    def start_again(self) -> None:
        """Count another start and drop the earlier answer."""
        self.parts.clear()
        self.size_chars = 0
        self.starts += 1


async def stream_answer(
    models: RoutedModels, route: ModelRoute, request: ChatRequest, *, max_chars: int
) -> AsyncGenerator[PartialAnswer]:
    """Yield the answer after each change, always the same object; the last time it is complete.

    Raises:
        ModelError: No model of the route gave an answer.
        QuotaExceededError: A budget is exhausted.
    """
    answer = PartialAnswer()
    async with aclosing(models.stream(route, request)) as chunks:
        async for chunk in chunks:
            if isinstance(chunk, TextChunk):
                answer.parts.append(chunk.text)
                answer.size_chars += len(chunk.text)
            elif isinstance(chunk, TextWasReasoning) or (isinstance(chunk, ModelSwitch) and not chunk.keeps_answer):
                answer.start_again()
            elif isinstance(chunk, Finished):
                answer.end_reason = chunk.reason
            answer.is_too_long = answer.size_chars > max_chars
            yield answer
            if answer.is_too_long:
                return


async def whole_answer(
    models: RoutedModels, route: ModelRoute, request: ChatRequest, *, max_chars: int
) -> PartialAnswer:
    """Return an answer after its end; see `stream_answer`."""
    answer = PartialAnswer()
    async with aclosing(stream_answer(models, route, request, max_chars=max_chars)) as answers:
        async for each in answers:
            answer = each
    return answer
