import math
from array import array
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexent_gql.adapters.search_fusion import Candidate, normalized, query_tokens, rank
from nexent_gql.ports.search_index import (
    MAX_QUERY_TERMS,
    FusionMethod,
    FusionOptions,
    SearchHit,
    SearchMode,
    SearchQuery,
)

BASE = UUID(int=99)


def candidate(
    number: int, bm25: float | None = None, cosine: float | None = None, space: str | None = "a"
) -> Candidate:
    coverage = None if bm25 is None else bm25 / 100
    return Candidate(UUID(int=number), BASE, BASE, BASE, bm25, coverage, cosine, space)


def hits(
    *rows: Candidate,
    mode: SearchMode = SearchMode.HYBRID,
    fusion: FusionOptions | None = None,
    min_score: float = 0,
    top_k: int = 10,
) -> list[SearchHit]:
    query = SearchQuery("?", (BASE,), mode, fusion=fusion or FusionOptions(), min_score=min_score, top_k=top_k)
    return list(rank(query, (), rows).hits)


def order(best: list[SearchHit]) -> list[int]:
    return [hit.chunk_id.int for hit in best]


def test_scores_are_scaled_before_they_are_added() -> None:
    by_words, by_both, by_vector = candidate(1, 10, 0.2), candidate(2, 8, 0.6), candidate(3, None, 0.7)
    best = hits(by_words, by_both, by_vector, fusion=FusionOptions(semantic_weight=0.5))
    assert order(best) == [2, 1, 3]
    assert best[0].score == pytest.approx(0.5 * 0.8 + 0.5 * 0.8)
    assert best[0].parts.keyword_part == pytest.approx(0.4)
    assert best[0].parts.semantic_part == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("text", "bm25", "weight"),
    [
        ("error AX-3391-B", 10, 0.35),
        ("error AX-3391-B", 90, 0.35),
        ("a red fish", 35, 0.5),
        ("a red fish", 34, 0.7),
        ("a red fish", None, 0.7),
    ],
)
def test_question_and_coverage_decide_how_much_words_weigh(text: str, bm25: float | None, weight: float) -> None:
    query = SearchQuery(text, (BASE,))
    assert rank(query, (), [candidate(1, bm25, 0.2), candidate(2, 1, 0.9)]).semantic_weight == weight
    weighted = replace(query, fusion=FusionOptions(semantic_weight=0.8))
    assert rank(weighted, (), [candidate(1, 10, 0.2)]).semantic_weight == 0.8
    assert rank(replace(query, mode=SearchMode.KEYWORD), (), [candidate(1, 10, 0.2)]).semantic_weight is None


@pytest.mark.parametrize(("semantic_weight", "first"), [(0.0, 1), (1.0, 3)])
def test_a_weight_decides_between_words_and_vectors(semantic_weight: float, first: int) -> None:
    rows = candidate(1, 10, 0.2), candidate(2, 8, 0.6), candidate(3, None, 0.7)
    assert order(hits(*rows, fusion=FusionOptions(semantic_weight=semantic_weight)))[0] == first


def test_ranks_ignore_how_far_scores_are_apart() -> None:
    rows = candidate(1, 100, 0.50), candidate(2, 2, 0.51), candidate(3, 1, 0.1)
    best = hits(*rows, fusion=FusionOptions(FusionMethod.RECIPROCAL_RANKS))
    assert best[0].score == best[1].score == pytest.approx(0.5 + 0.5 * 61 / 62)
    assert order(best)[2] == 3


def test_cosines_of_different_models_are_scaled_by_themselves() -> None:
    rows = [candidate(1, cosine=0.9), candidate(2, cosine=0.8), candidate(3, cosine=0.2, space="b")]
    rows += [candidate(4, cosine=0.1, space="b")]
    assert {hit.chunk_id.int: hit.score for hit in hits(*rows)} == pytest.approx({1: 0.7, 2: 0, 3: 0.7, 4: 0})


def test_keyword_scores_are_coverages_and_semantic_ones_cosines() -> None:
    rows = candidate(1, 10, 0.2), candidate(2, None, 0.6)
    assert [hit.score for hit in hits(*rows, mode=SearchMode.KEYWORD)] == [0.1]
    assert [hit.score for hit in hits(*rows, mode=SearchMode.SEMANTIC)] == [0.6, 0.2]


def test_hits_below_the_least_score_are_counted() -> None:
    rows = candidate(1, 10), candidate(2, 90)
    result = rank(SearchQuery("?", (BASE,), SearchMode.KEYWORD, min_score=0.5), ("x",), rows)
    assert (order([*result.hits]), result.below_min_score, result.candidates) == ([2], 1, 2)


@given(
    st.lists(st.tuples(st.none() | st.floats(0.01, 50), st.none() | st.floats(-1, 1)), max_size=20),
    st.floats(0, 1),
    st.sampled_from(FusionMethod),
)
def test_hybrid_scores_are_between_0_and_1(
    scores: list[tuple[float | None, float | None]], weight: float, method: FusionMethod
) -> None:
    rows = [candidate(number, *pair) for number, pair in enumerate(scores)]
    best = hits(*rows, fusion=FusionOptions(method, weight), top_k=100)
    assert len(best) == len(rows)
    assert all(0 <= hit.score <= 1 + 1e-9 for hit in best)
    assert best == sorted(best, key=lambda hit: -hit.score)
    assert best == hits(*reversed(rows), fusion=FusionOptions(method, weight), top_k=100)


def test_a_question_has_each_word_once_and_not_too_many() -> None:
    assert query_tokens("Port port 端口") == ("port", "端口")
    assert len(query_tokens(" ".join(map(str, range(1_000))))) == MAX_QUERY_TERMS


def test_vectors_get_length_1() -> None:
    assert math.hypot(*normalized(array("f", [3, 4])) or ()) == pytest.approx(1)
    assert normalized(array("f", [0, 0])) is None
    assert normalized(array("f", [math.nan, 1])) is None
