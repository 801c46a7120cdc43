"""Models that score how well passages answer a query."""

from dataclasses import dataclass
from typing import Protocol

from nexent_gql.ports.llm import CallAttribution, Usage
from nexent_gql.ports.llm_routes import ModelRoute

MAX_PASSAGES = 1_000
"""The most passages of one request."""


@dataclass(frozen=True, slots=True)
class RerankRequest:
    """What to score.

    Attributes:
        query: The question; not blank.
        passages: 1 to 1,000 passages, none of them blank.
        attribution: Whose account the call is on; without it the call is not recorded.
    """

    query: str
    passages: tuple[str, ...]
    attribution: CallAttribution | None = None


@dataclass(frozen=True, slots=True)
class Reranking:
    """Scores of one request.

    Attributes:
        scores: One for each passage, in the order of the request; higher is better. Their range is the model's, so
            that scores of different models cannot be compared.
        model: The provider's name of the model.
        usage: Tokens that were sent.
        is_estimated: Whether the provider gave no token counts.
    """

    scores: tuple[float, ...]
    model: str
    usage: Usage
    is_estimated: bool = False


class Reranker(Protocol):
    """All reranking models, whatever their provider."""

    async def rerank(self, route: ModelRoute, request: RerankRequest) -> Reranking:
        """Return a score for each passage, or nothing at all.

        Raises:
            ModelRequestRefusedError: Query or passages are blank, or too many; or the provider refused.
            ModelContextTooLongError: Query and passage are longer than the model reads.
            ModelProtocolError: The reply is not what was asked for.
            ModelError: The provider did not answer; subclasses say why.
        """
        ...
