"""Scores the hits of a search again, with frequencies of its own bases: pure, for a thread of its own."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from nexent_gql.adapters.search_elasticsearch.client import Item
from nexent_gql.adapters.search_fusion import BM25_B, BM25_K1, Candidate
from nexent_gql.ports.search_index import CANDIDATES


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a score by words needs to know of all chunks: weights of terms, and the mean number of words."""

    weights: Mapping[str, float]
    mean_length: float

    @classmethod
    def read(cls, answer: Item, terms: Sequence[str]) -> "Statistics":
        """Read the answer to `requests.statistics`."""
        chunks = answer["hits"]["total"]["value"]
        counts = [bucket["doc_count"] for bucket in answer["aggregations"]["terms"]["buckets"]]
        weights = {
            term: math.log(1 + (chunks - count + 0.5) / (count + 0.5))
            for term, count in zip(terms, counts, strict=True)
        }
        return cls(weights, max(answer["aggregations"]["length"]["value"] / max(chunks, 1), 1.0))


def candidates(
    statistics: Statistics | None, by_words: Sequence[Item], by_vector: Mapping[str, Sequence[Item]]
) -> list[Candidate]:
    """Return the best 100 by words, and the hits by vectors of each space, with both of their scores."""
    cosines = {hit["_source"]["chunk_id"]: 2 * hit["_score"] - 1 for hits in by_vector.values() for hit in hits}
    near = dict(_rows(statistics, [hit for hits in by_vector.values() for hit in hits]))
    wordy = sorted(
        _rows(statistics, by_words), key=lambda entry: (-(entry[1].bm25 or 0.0), entry[1].version_id, entry[0])
    )
    rows = near | dict(wordy[:CANDIDATES])
    return [replace(row, cosine=cosines.get(chunk_id)) for chunk_id, row in rows.items()]


def _rows(statistics: Statistics | None, hits: Sequence[Item]) -> Iterator[tuple[str, Candidate]]:
    for hit in hits:
        source = hit["_source"]
        yield source["chunk_id"], _candidate(statistics, source)


def _candidate(statistics: Statistics | None, source: Item) -> Candidate:
    bm25 = coverage = None
    terms: tuple[str, ...] = ()
    if statistics is not None:
        frequencies = Counter(token for token in source["tokens"].split(" ") if token in statistics.weights)
        terms = tuple(sorted(frequencies))
        if terms:
            score = _score(statistics, frequencies, source["length"])
            bm25, coverage = score * (BM25_K1 + 1), score / sum(statistics.weights.values())
    return Candidate(
        UUID(source["chunk_id"]),
        UUID(source["knowledge_base_id"]),
        UUID(source["document_id"]),
        UUID(source["version_id"]),
        bm25,
        coverage,
        space=source.get("space"),
        terms=terms,
    )


def _score(statistics: Statistics, frequencies: Mapping[str, int], length: int) -> float:
    damping = BM25_K1 * (1 - BM25_B + BM25_B * length / statistics.mean_length)
    return sum(statistics.weights[term] * frequency / (frequency + damping) for term, frequency in frequencies.items())
