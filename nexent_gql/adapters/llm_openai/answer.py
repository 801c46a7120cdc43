"""The chunks of an answer out of the frames of a Chat Completions stream."""

from typing import Literal

from nexent_gql.adapters.llm_openai.calls import CallAssembler
from nexent_gql.adapters.llm_openai.errors import error_in_stream
from nexent_gql.kernel.json import Json, JsonObject, loads_object
from nexent_gql.ports.llm import (
    ChatChunk,
    Finished,
    ModelProtocolError,
    ModelStreamBrokenError,
    ReasoningChunk,
    TextChunk,
    Usage,
)

Reason = Literal["stop", "length", "tool_calls", "content_filter", "other"]

REASONS: dict[str, Reason] = {
    "stop": "stop",
    "eos": "stop",
    "end_turn": "stop",
    "length": "length",
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}


class AnswerDecoder:
    """Reads the frames of one answer in order; its size is bounded.

    Args:
        max_answer_chars: The most that text, reasoning and arguments may come to together.
    """

    def __init__(self, *, max_answer_chars: int = 4_000_000) -> None:
        self._left_chars = max_answer_chars
        self._limit_chars = max_answer_chars
        self._calls = CallAssembler()
        self._reason: str | None = None
        self._usage: Usage | None = None
        self.begun = False

    @property
    def whole(self) -> bool:
        """Whether the provider has said why the answer ended."""
        return self._reason is not None

    def frame(self, data: bytes) -> list[ChatChunk]:
        """Read one frame.

        Raises:
            ModelProtocolError: It is not a frame of the dialect, or the answer grows too large.
            ModelError: The frame tells of an error.
        """
        try:
            frame = loads_object(data)
        except ValueError:
            raise ModelProtocolError(
                "The provider sent a frame that is not JSON. Try again; if it stays, the server behind the base URL "
                "is broken or speaks another protocol.",
                cause="BAD_FRAME",
            ) from None
        if frame.get("error"):
            raise error_in_stream(frame["error"])
        if isinstance(usage := frame.get("usage"), dict):
            self._usage = usage_of(usage)
        choices = frame.get("choices")
        if not isinstance(choices, list):
            raise ModelProtocolError(
                "The provider's frames have no choices. Check that the base URL is that of a chat completions API.",
                cause="BAD_FRAME",
            )
        choice = choices[0] if choices else None
        return self._choice(choice) if isinstance(choice, dict) else []

    def finish(self, *, told: bool) -> list[ChatChunk]:
        """End the answer; `told`: the provider sent its end mark.

        Raises:
            ModelStreamBrokenError: The stream ended before the answer did.
        """
        if not (self.whole or (told and self.begun)):
            raise broken()
        reason = REASONS.get(self._reason or "stop", "other")
        if reason == "stop" and self._calls.calls:  # many servers say "stop" behind a call
            reason = "tool_calls"
        return [*self._calls.finish(), Finished(reason, self._usage)]

    def _choice(self, choice: JsonObject) -> list[ChatChunk]:
        reason = choice.get("finish_reason")
        if reason == "error":
            raise error_in_stream(choice.get("error"))
        if isinstance(reason, str) and reason:
            self._reason = reason
        delta = choice.get("delta") or choice.get("message")
        if not isinstance(delta, dict):
            return []
        chunks = self._delta(delta)
        if chunks:
            self.begun = True
        return chunks

    def _delta(self, delta: JsonObject) -> list[ChatChunk]:
        chunks: list[ChatChunk] = []
        reasoning = delta.get("reasoning_content") or delta.get("reasoning")
        if isinstance(reasoning, str) and reasoning:
            self._spend(len(reasoning))
            chunks.append(ReasoningChunk(reasoning))
        content = delta.get("content") or delta.get("refusal")
        if isinstance(content, str) and content:
            self._spend(len(content))
            chunks.append(TextChunk(content))
        elif isinstance(content, list):
            for part in content:
                chunks += self._part(part)
        calls = delta.get("tool_calls")
        if isinstance(calls, list):
            chunks += self._fragments(calls)
        return chunks

    def _part(self, part: Json) -> list[ChatChunk]:
        """Read a content part: text, or thinking that holds parts itself."""
        if not isinstance(part, dict):
            return []
        thinking = part.get("thinking")
        if isinstance(thinking, list):
            text = "".join(str(piece.get("text", "")) for piece in thinking if isinstance(piece, dict))
        else:
            text = str(part.get("text") or thinking or "")
        self._spend(len(text))
        if not text:
            return []
        return [ReasoningChunk(text) if thinking else TextChunk(text)]

    def _fragments(self, pieces: list[Json]) -> list[ChatChunk]:
        chunks: list[ChatChunk] = []
        for piece in pieces:
            chunk = self._calls.fragment(piece) if isinstance(piece, dict) else None
            if chunk is not None:
                self._spend(len(chunk.arguments))
                chunks.append(chunk)
        return chunks

    def _spend(self, chars: int) -> None:
        self._left_chars -= chars
        if self._left_chars < 0:
            raise ModelProtocolError(
                "The model's answer is larger than is accepted. Ask for a shorter one.",
                cause="ANSWER_TOO_LARGE",
                limit_chars=self._limit_chars,
            )


def usage_of(usage: JsonObject) -> Usage:
    """Read token counts; what is not told is 0."""
    return Usage(
        count(usage, "prompt_tokens"),
        count(usage, "completion_tokens"),
        count(usage.get("prompt_tokens_details"), "cached_tokens") or count(usage, "prompt_cache_hit_tokens"),
        count(usage.get("completion_tokens_details"), "reasoning_tokens"),
    )


def count(value: Json, name: str) -> int:
    """Return a count that may be missing, null or nonsense."""
    number = value.get(name) if isinstance(value, dict) else None
    return number if isinstance(number, int) and number >= 0 else 0


def broken() -> ModelStreamBrokenError:
    """Return the error of an answer that stopped in the middle."""
    return ModelStreamBrokenError("The provider's connection ended in the middle of the answer. Try again.")
