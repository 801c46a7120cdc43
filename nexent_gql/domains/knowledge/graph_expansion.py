"""Widens a search by what the graphs of its bases relate to the question."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

import regex
from sqlalchemy.ext.asyncio import AsyncSession

from nexent_gql.domains.knowledge.graph_facts import MAX_NAME_CHARS
from nexent_gql.domains.knowledge.graph_repository import GraphRepository
from nexent_gql.domains.knowledge.graph_views import GraphReader
from nexent_gql.domains.knowledge.reranking import CANDIDATES
from nexent_gql.kernel.search import WORD_CLASS, fold
from nexent_gql.ports.search_index import SearchIndex, SearchMode, SearchQuery, SearchResult

GRAPH_WEIGHT = 0.3
"""The most that related names give a passage that has none of the question's words."""
MAX_SEEDS = 8
MAX_RELATED = 12
_MAX_NAME_WORDS = 5
_MAX_WORDS = 80
_MAX_RUN_CHARS = 120
_MAX_RUN_NAME_CHARS = 10
_EDGES = re.compile(r"^\W+|(?:['\u2019]s)?\W*$")
_RUN = regex.compile(rf"[\p{{L}}--{WORD_CLASS}]{{2,}}", regex.V1)


@dataclass(frozen=True, slots=True)
class ExpandedResult:
    """A result, and the score of each passage that related names found, 0 to 1."""

    result: SearchResult
    graph_scores: Mapping[UUID, float] = field(default_factory=dict[UUID, float])


async def related_names(
    session: AsyncSession, tenant_id: UUID, base_ids: Sequence[UUID], question: str
) -> tuple[str, ...]:
    """Return the entities that a question names, and those that passages relate to them; none without a graph.

    The caller checks who may read the bases.
    """
    graphs = await GraphRepository(session, tenant_id).of_bases(base_ids)
    if not graphs:
        return ()
    reader = GraphReader(session, tenant_id, [graph.id for graph in graphs])
    names = await reader.present(list(dict.fromkeys(possible_names(question))))
    seeds: list[str] = []
    for name in sorted(names, key=lambda name: (-len(name), name)):
        if len(seeds) < MAX_SEEDS and not any(name in longer for longer in seeds):
            seeds.append(name)
    return (*seeds, *(await reader.neighbors(seeds, MAX_RELATED) if seeds else ()))


def possible_names(question: str) -> Iterator[str]:
    """Yield parts of a question that may be names, with repetitions: up to 5 words, or 10 characters without spaces."""
    folded = fold(question)
    words = folded.split()[:_MAX_WORDS]
    for start in range(len(words)):
        for end in range(start + 1, min(start + _MAX_NAME_WORDS, len(words)) + 1):
            name = " ".join(words[start:end])
            yield from (part for part in (name, _EDGES.sub("", name)) if 0 < len(part) <= MAX_NAME_CHARS)
    room = _MAX_RUN_CHARS
    for match in _RUN.finditer(folded):
        run = match[0][: max(0, room)]
        room -= len(run)
        for start in range(len(run)):
            for end in range(start + 2, min(start + _MAX_RUN_NAME_CHARS, len(run)) + 1):
                yield run[start:end]


async def search_expanded(
    index: SearchIndex, tenant_id: UUID, query: SearchQuery, names: Sequence[str]
) -> ExpandedResult:
    """Search, and raise passages that have related names; without names, search as always.

    Both searches go through the index, so that all filters hold. A passage of both has more than its score; one that
    only related names find has at most `GRAPH_WEIGHT`.
    """
    if not names:
        return ExpandedResult(await index.search(tenant_id, query))
    wide = replace(query, top_k=max(query.top_k, CANDIDATES), min_score=0.0)
    by_names = replace(wide, text=" ".join(names), mode=SearchMode.KEYWORD, vectors={})
    first = await index.search(tenant_id, wide)
    related = await index.search(tenant_id, by_names)
    graph_scores = {hit.chunk_id: hit.score for hit in related.hits}
    hits = {hit.chunk_id: hit for hit in (*(replace(hit, score=0.0) for hit in related.hits), *first.hits)}
    joined = sorted(
        (
            replace(hit, score=1 - (1 - hit.score) * (1 - GRAPH_WEIGHT * graph_scores.get(hit.chunk_id, 0.0)))
            for hit in hits.values()
        ),
        key=lambda hit: (-hit.score, hit.chunk_id),
    )
    above = [hit for hit in joined if hit.score >= query.min_score]
    below = min(len(joined) - len(above), 100)
    result = replace(first, hits=tuple(above[: query.top_k]), below_min_score=below)
    return ExpandedResult(result, graph_scores)
