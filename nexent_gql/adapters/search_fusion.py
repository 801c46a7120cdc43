"""Joins the scores by words and by vectors of one search: pure functions that all search indexes share."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from nexent_gql.kernel.search import has_identifier, ranking_tokens
from nexent_gql.ports.embeddings import Vector
from nexent_gql.ports.search_index import (
    CANDIDATES,
    MAX_QUERY_TERMS,
    FusionMethod,
    FusionOptions,
    ScoreParts,
    SearchHit,
    SearchMode,
    SearchQuery,
    SearchResult,
)

BM25_K1 = 1.2
BM25_B = 0.75
_WEIGHT, _IDENTIFIER_WEIGHT, _RARE_WORDS_WEIGHT = 0.5, 0.35, 0.7
_GOOD_COVERAGE = 0.35
"""Share of the question's information from which on words count as evidence."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A chunk that one half of the search found, with the scores of both.

    Attributes:
        chunk_id: The chunk.
        knowledge_base_id: Of its document.
        document_id: Its document.
        version_id: Its version.
        bm25: None if it has none of the words.
        coverage: `bm25` as a share of what the words could reach.
        cosine: None without a comparable vector.
        space: The embedding model of the vector.
        terms: Words of the question that it has.
    """

    chunk_id: UUID
    knowledge_base_id: UUID
    document_id: UUID
    version_id: UUID
    bm25: float | None = None
    coverage: float | None = None
    cosine: float | None = None
    space: str | None = None
    terms: tuple[str, ...] = ()


def query_tokens(text: str) -> tuple[str, ...]:
    """Return the different words of a question, at most `MAX_QUERY_TERMS`."""
    return tuple(dict.fromkeys(ranking_tokens(text)))[:MAX_QUERY_TERMS]


def normalized(vector: Vector) -> Sequence[float] | None:
    """Return a vector of length 1; None for one without a direction."""
    norm = math.hypot(*vector)
    return [value / norm for value in vector] if norm and math.isfinite(norm) else None


def rank(query: SearchQuery, terms: tuple[str, ...], candidates: Sequence[Candidate]) -> SearchResult:
    """Return the hits of a search among its candidates."""
    weight = semantic_weight(query, candidates)
    parts = _hybrid(candidates, query.fusion, weight)
    hits = [_hit(query.mode, candidate, *parts[candidate.chunk_id]) for candidate in candidates]
    best = sorted(
        (hit for hit in hits if hit is not None and hit.score >= query.min_score),
        key=lambda hit: (-hit.score, hit.chunk_id),
    )
    below = sum(hit is not None for hit in hits) - len(best)
    used = weight if query.mode is SearchMode.HYBRID else None
    return SearchResult(tuple(best[: query.top_k]), terms, len(candidates), below, used)


def semantic_weight(query: SearchQuery, candidates: Iterable[Candidate]) -> float:
    """Return the share of the vectors in a hybrid score.

    Identifiers have no meaning that a model knows, but are found exactly by words. Where no chunk has most of the
    question's words, it is asked in other words or in another language than the answer, and meaning finds more.
    """
    if query.fusion.semantic_weight is not None:
        return query.fusion.semantic_weight
    if has_identifier(query.text):
        return _IDENTIFIER_WEIGHT
    coverage = max((row.coverage or 0.0 for row in candidates), default=0.0)
    return _WEIGHT if coverage >= _GOOD_COVERAGE else _RARE_WORDS_WEIGHT


def _hit(mode: SearchMode, candidate: Candidate, keyword: float, semantic: float) -> SearchHit | None:
    parts = ScoreParts(candidate.bm25, candidate.coverage, candidate.cosine, terms=candidate.terms)
    match mode:
        case SearchMode.KEYWORD:
            score = candidate.coverage
        case SearchMode.SEMANTIC:
            score = candidate.cosine
        case SearchMode.HYBRID:
            parts = replace(parts, keyword_part=keyword, semantic_part=semantic)
            score = keyword + semantic
    if score is None:
        return None
    return SearchHit(
        candidate.chunk_id,
        candidate.knowledge_base_id,
        candidate.document_id,
        candidate.version_id,
        score,
        parts,
    )


def _hybrid(
    candidates: Sequence[Candidate], options: FusionOptions, weight: float
) -> Mapping[UUID, tuple[float, float]]:
    """Return what words and vectors add to the score of each chunk, both at least 0 and together at most 1."""
    share = _relative if options.method is FusionMethod.NORMALIZED_SCORES else _by_rank
    keyword, semantic = share(candidates, options.rank_constant)
    return {
        row.chunk_id: ((1 - weight) * keyword.get(row.chunk_id, 0.0), weight * semantic.get(row.chunk_id, 0.0))
        for row in candidates
    }


_Shares = tuple[Mapping[UUID, float], Mapping[UUID, float]]


def _relative(candidates: Sequence[Candidate], _rank_constant: int) -> _Shares:
    """Scale the scores of both halves to 0 to 1."""
    top = max((row.bm25 or 0.0 for row in candidates), default=0.0)
    keyword = {row.chunk_id: row.bm25 / top for row in candidates if row.bm25}
    semantic: dict[UUID, float] = {}
    for rows in _by_space(candidates).values():
        best = [cosine for _, cosine in rows[:CANDIDATES]]
        least, span = best[-1], best[0] - best[-1]
        for chunk_id, cosine in rows:
            semantic[chunk_id] = max(0.0, (cosine - least) / span) if span else 1.0
    return keyword, semantic


def _by_rank(candidates: Sequence[Candidate], rank_constant: int) -> _Shares:
    """Score by rank alone; the first has 1."""
    keyword = sorted(((row.chunk_id, row.bm25) for row in candidates if row.bm25), key=_best_first)
    semantic: dict[UUID, float] = {}
    for rows in _by_space(candidates).values():
        semantic |= _reciprocal(rows[:CANDIDATES], rank_constant)
    return _reciprocal(keyword[:CANDIDATES], rank_constant), semantic


def _by_space(candidates: Iterable[Candidate]) -> Mapping[str | None, list[tuple[UUID, float]]]:
    """Return chunks and cosines of each embedding model, best first."""
    spaces: dict[str | None, list[tuple[UUID, float]]] = {}
    for row in candidates:
        if row.cosine is not None:
            spaces.setdefault(row.space, []).append((row.chunk_id, row.cosine))
    for rows in spaces.values():
        rows.sort(key=_best_first)
    return spaces


def _best_first(row: tuple[UUID, float]) -> tuple[float, UUID]:
    return -row[1], row[0]


def _reciprocal(rows: Iterable[tuple[UUID, float]], rank_constant: int) -> dict[UUID, float]:
    return {chunk_id: (rank_constant + 1) / (rank_constant + place) for place, (chunk_id, _) in enumerate(rows, 1)}
