"""What has been handed out of an answer, and how another deployment can go on from there."""

from collections.abc import Sequence
from dataclasses import replace

from nexent_gql.ports.llm import (
    BrokenCallUsage,
    ChatChunk,
    ChatMessage,
    ChatRequest,
    Finished,
    TextChunk,
    TextWasReasoning,
    ToolCallChunk,
)

CONTINUE = (
    "Your last message was cut off by a fault. Continue it exactly where it ends: do not repeat any of it, do not "
    "comment on the fault, and begin in the middle of a word if it ends there."
)
_MIN_OVERLAP_CHARS = 16
_MAX_OVERLAP_CHARS = 400


class Progress:
    """The answer to one request so far, over all calls that were made for it.

    Only text can be continued: half a tool call or half a program would be wrong without notice. Less than
    16 characters are not worth it, and could not be told from a repetition.

    Attributes:
        has_begun: Whether any of the answer was handed out.
        tokens: What the present call used, as its provider reports; 0 before it began, None while that is unknown.
    """

    def __init__(self, request: ChatRequest) -> None:
        self._request = request
        self._texts: list[str] = []
        self._is_text = True
        self._deployment = ""
        self._trimmer: OverlapTrimmer | None = None
        self.has_begun = False
        self.tokens: int | None = 0

    @property
    def can_continue(self) -> bool:
        """Whether another deployment can be asked to go on with the text."""
        is_free_text = not self._request.stop and self._request.response_schema is None
        return is_free_text and self._is_text and sum(map(len, self._texts)) >= _MIN_OVERLAP_CHARS

    def begin(self, deployment: str, *, keeps_answer: bool) -> ChatRequest:
        """Return what to ask the next deployment, and expect its answer."""
        self._deployment, self._trimmer, self.tokens = deployment, None, 0
        if not keeps_answer:
            return self._request
        text = "".join(self._texts)
        self._trimmer = OverlapTrimmer(text)
        messages = (
            *self._request.messages,
            ChatMessage.from_text("assistant", text),
            ChatMessage.from_text("user", CONTINUE),
        )
        return replace(self._request, messages=messages, tool_choice="none" if self._request.tools else "auto")

    def restart(self) -> None:
        """Forget what was handed out."""
        self._texts.clear()
        self._is_text = True

    def pieces(self, chunk: ChatChunk) -> Sequence[ChatChunk]:
        """Return what to hand out of a piece of the present call; it counts as handed out."""
        self.has_begun, self.tokens = True, None
        if self._trimmer is None and isinstance(chunk, TextChunk):
            self._texts.append(chunk.text)
            return (chunk,)
        if isinstance(chunk, Finished | BrokenCallUsage):
            self.tokens = chunk.usage.input_tokens + chunk.usage.output_tokens if chunk.usage else None
        if isinstance(chunk, BrokenCallUsage):
            return (chunk,)
        if isinstance(chunk, Finished):
            chunk = replace(chunk, answered_by=self._deployment)
        chunks = (chunk,) if self._trimmer is None else _trim(self._trimmer, chunk)
        for piece in chunks:
            if isinstance(piece, TextChunk):
                self._texts.append(piece.text)
            elif isinstance(piece, ToolCallChunk | TextWasReasoning):
                self._is_text = False
        return chunks


def _trim(trimmer: "OverlapTrimmer", chunk: ChatChunk) -> Sequence[ChatChunk]:
    """Return the text of a continuation that is new.

    Its reasoning is about the fault, and its opaque items belong to a message that is not kept.
    """
    if isinstance(chunk, TextChunk):
        text = trimmer.feed(chunk.text)
        return (TextChunk(text),) if text else ()
    if isinstance(chunk, Finished):
        text = trimmer.finish()
        return (TextChunk(text), chunk) if text else (chunk,)
    return ()


class OverlapTrimmer:
    """Drops the beginning of a continuation that repeats the end of the text before it.

    A repetition of fewer than 16 characters may be meant, and stays.
    """

    def __init__(self, text: str) -> None:
        self._tail = text[-_MAX_OVERLAP_CHARS:]
        self._pending: str | None = ""

    def feed(self, text: str) -> str:
        """Return what is certain not to be a repetition."""
        if self._pending is None:
            return text
        self._pending += text
        if self._may_still_repeat(self._pending):
            return ""
        return self.finish()

    def finish(self) -> str:
        """Return the rest."""
        pending, self._pending = self._pending or "", None
        longest = min(len(pending), len(self._tail))
        for size in range(longest, _MIN_OVERLAP_CHARS - 1, -1):
            if self._tail.endswith(pending[:size]):
                return pending[size:]
        return pending

    def _may_still_repeat(self, pending: str) -> bool:
        """Tell whether more text could turn the beginning into a repetition of the tail."""
        return len(pending) < len(self._tail) and pending in self._tail
