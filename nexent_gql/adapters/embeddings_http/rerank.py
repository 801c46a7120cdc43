"""Requests and replies of `/rerank`, in the form that Cohere and Jina share."""

import math

from nexent_gql.adapters.embeddings_http.reply import in_order, malformed, usage_of
from nexent_gql.adapters.llm_http.quirks import Quirk
from nexent_gql.kernel.json import Json, JsonObject
from nexent_gql.kernel.tokens import estimate_text_tokens
from nexent_gql.ports.llm import ModelEndpoint, Usage
from nexent_gql.ports.rerank import Reranking, RerankRequest

PATH = "/rerank"
REFUSABLE: tuple[Quirk, ...] = ("top_n", "return_documents")


def body_of(endpoint: ModelEndpoint, request: RerankRequest) -> JsonObject:
    """Write a request that asks for the scores of all passages."""
    return {
        "model": endpoint.model,
        "query": request.query,
        "documents": [*request.passages],
        "top_n": len(request.passages),
        "return_documents": False,
    }


def reranking_of(reply: JsonObject | list[Json], endpoint: ModelEndpoint, request: RerankRequest) -> Reranking:
    """Read a reply.

    Raises:
        ModelProtocolError: It does not have a usable score for each passage.
    """
    entries = in_order(reply, ("results", "data"), len(request.passages))
    if any(not isinstance(entry, dict) or entry.get("index") is None for entry in entries):
        raise malformed("Its results do not say which passages they are about.", "INDEX")  # they come best first
    usage = usage_of(reply)
    estimate = estimate_text_tokens(request.query) * len(entries) + sum(map(estimate_text_tokens, request.passages))
    return Reranking(
        scores=tuple(map(_score, entries)),
        model=endpoint.model,
        usage=usage or Usage(input_tokens=estimate),
        is_estimated=usage is None,
    )


def _score(entry: Json) -> float:
    score = None
    if isinstance(entry, dict):
        score = entry.get("relevance_score", entry.get("score"))
    if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
        raise malformed("A score is no number.", "SCORE")
    return float(score)
