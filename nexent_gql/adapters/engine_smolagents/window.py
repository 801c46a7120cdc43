"""Keeps what a model is sent within its context window, by shortening what came earlier."""

from collections.abc import Sequence
from dataclasses import replace

from nexent_gql.adapters.llm_tokens import estimate_tokens
from nexent_gql.ports.content import ContentPart, TextPart
from nexent_gql.ports.llm import ChatMessage, ModelProfile

LEFT_OUT = "(Earlier messages of this conversation are left out, because they do not fit.)\n\n"
_LIMITS_CHARS = (20_000, 8_000, 3_000, 1_000, 400)
_ANSWER_TOKENS = 4_096


def budget_of(profile: ModelProfile) -> int | None:
    """Return how much may be sent to a model: its context window minus the answer; None: unknown.

    The answer gets the model's output limit or 4,096 tokens, at most a quarter of the window; another tenth is left
    for tools and because tokens are estimated.
    """
    window = profile.context_window_tokens
    if window is None:
        return None
    answer = min(profile.max_output_tokens or _ANSWER_TOKENS, window // 4)
    return max(window - window // 10 - answer, 1)


class ContextWindow:
    """What fits of the messages of a run. The same budget cuts the same messages in the same way.

    Args:
        question_at: The position of the question among the messages; the conversation is ahead of it, the run's own
            steps are behind it.
        budget_tokens: How much may be sent; None: everything.
    """

    def __init__(self, question_at: int, budget_tokens: int | None = None) -> None:
        self.budget_tokens = budget_tokens
        self._question_at = question_at

    def fit(self, messages: Sequence[ChatMessage]) -> tuple[ChatMessage, ...]:
        """Return what fits the budget, or as little as can be sent.

        First the oldest turns of the conversation are left out, which the model is told; then long texts of the run's
        own steps lose their middle. Instructions and question stay whole.
        """
        if self.budget_tokens is None or estimate_tokens(messages) <= self.budget_tokens:
            return tuple(messages)
        remaining = self._without_oldest_turns(messages, self.budget_tokens)
        behind = len(messages) - self._question_at - 1
        for limit_chars in _LIMITS_CHARS:
            if estimate_tokens(remaining) <= self.budget_tokens:
                break
            steps = remaining[len(remaining) - behind :]
            remaining = [*remaining[: len(remaining) - behind], *(_shorten(message, limit_chars) for message in steps)]
        return tuple(remaining)

    def halve(self, messages: Sequence[ChatMessage]) -> bool:
        """Allow half of what was sent of `messages`; False when nothing can be left out any more."""
        used_tokens = estimate_tokens(self.fit(messages))
        self.budget_tokens = used_tokens // 2
        return estimate_tokens(self.fit(messages)) < used_tokens

    def _without_oldest_turns(self, messages: Sequence[ChatMessage], budget_tokens: int) -> list[ChatMessage]:
        """Leave out turns up to a message of the user."""
        excess = estimate_tokens(messages) - budget_tokens
        start = 1
        while start < self._question_at and (excess > 0 or messages[start].role != "user"):
            excess -= estimate_tokens(messages[start : start + 1])
            start += 1
        if start == 1:
            return list(messages)
        first = messages[start]
        noted = replace(first, parts=(TextPart(LEFT_OUT), *first.parts))
        return [messages[0], noted, *messages[start + 1 :]]


def _shorten(message: ChatMessage, limit_chars: int) -> ChatMessage:
    return replace(message, parts=tuple([_shorten_part(part, limit_chars) for part in message.parts]))


def _shorten_part(part: ContentPart, limit_chars: int) -> ContentPart:
    if not isinstance(part, TextPart) or len(part.text) <= limit_chars:
        return part
    half = limit_chars // 2
    omitted = len(part.text) - 2 * half
    return TextPart(f"{part.text[:half]}\n({omitted:,} characters are left out here.)\n{part.text[-half:]}")
