"""Embedding models: texts in, a vector for each of them out."""

from array import array
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeAlias

from nexent_gql.ports.llm import CallAttribution, Usage
from nexent_gql.ports.llm_routes import ModelRoute

Vector: TypeAlias = "array[float]"
"""32-bit floats (`typecode` "f"), four bytes each."""

MAX_TEXTS = 2_048
"""The most texts of one request; an adapter sends them in the batches that its provider accepts."""


class EmbeddingPurpose(StrEnum):
    """What vectors are compared with; some models embed a question in another way than the passages that answer it."""

    QUERY = "QUERY"
    PASSAGE = "PASSAGE"


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """What to embed.

    Attributes:
        texts: 1 to 2,048 texts, none of them blank.
        attribution: Whose account the call is on. Without it the call is neither recorded nor cached.
    """

    texts: tuple[str, ...]
    purpose: EmbeddingPurpose = EmbeddingPurpose.PASSAGE
    attribution: CallAttribution | None = None


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Vectors of one request.

    Attributes:
        vectors: One for each text, in order, all of the same length, of finite numbers. Their norm is the model's.
        model: The provider's name of the model.
        dimensions: Length of each vector.
        usage: Tokens that were sent; those of cached texts do not count.
        is_estimated: Whether the provider gave no token counts.
        cached_texts: How many of the vectors came from a cache.
    """

    vectors: tuple[Vector, ...]
    model: str
    dimensions: int
    usage: Usage
    is_estimated: bool = False
    cached_texts: int = 0


class Embedder(Protocol):
    """All embedding models, whatever their provider."""

    async def embed(self, route: ModelRoute, request: EmbeddingRequest) -> Embeddings:
        """Return a vector for each text, or nothing at all.

        Raises:
            ModelRequestRefusedError: A text is blank, or there are too many; or the provider refused.
            ModelContextTooLongError: A text is longer than the model reads.
            ModelProtocolError: The reply is not what was asked for.
            ModelError: The provider did not answer; subclasses say why.
        """
        ...
