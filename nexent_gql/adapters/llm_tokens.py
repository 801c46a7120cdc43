"""Estimates tokens, where the provider sends no counts."""

from collections.abc import Iterable

from nexent_gql.kernel.tokens import estimate_text_tokens
from nexent_gql.ports.content import AudioPart, ImagePart, TextPart
from nexent_gql.ports.llm import ChatMessage

_TOKENS_A_MESSAGE = 4
_TOKENS_AN_IMAGE = 1_000


def estimate_tokens(messages: Iterable[ChatMessage]) -> int:
    """Estimate tokens: a quarter of a token for an ASCII character, one for a Chinese one, 1,000 for an image."""
    return sum(map(_estimate, messages))


def _estimate(message: ChatMessage) -> int:
    texts = [part.text for part in message.parts if isinstance(part, TextPart)]
    texts += [call.arguments for call in message.tool_calls]
    media = sum(isinstance(part, ImagePart | AudioPart) for part in message.parts)
    return _TOKENS_A_MESSAGE + sum(map(estimate_text_tokens, texts)) + _TOKENS_AN_IMAGE * media
