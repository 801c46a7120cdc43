"""Results of searches that were made before, of the same question over the same state of the index."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from uuid import UUID

import structlog
from pydantic import TypeAdapter, ValidationError

from nexent_gql.domains.knowledge.graph_expansion import ExpandedResult
from nexent_gql.domains.knowledge.tables import KnowledgeBase
from nexent_gql.kernel.errors import UnavailableError
from nexent_gql.kernel.json import dumps
from nexent_gql.ports.response_cache import ResponseCache
from nexent_gql.ports.search_index import ScoreParts, SearchMode, SearchQuery

CACHE_S = 0.5
"""How long the cache may take; the index is faster than a cache that hangs."""
_FORMAT = 3
"""Grows with a change of what is stored or of how results come about."""
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class CachedPassage:
    """A passage of a result; its text is read from the rows each time, with the rights of the caller."""

    chunk_id: UUID
    score: float
    parts: ScoreParts
    rerank_score: float | None = None
    graph_score: float | None = None
    rerank_part: float | None = None


@dataclass(frozen=True, slots=True)
class CachedResult:
    """A whole result; see `searching.SearchAnswer`."""

    passages: tuple[CachedPassage, ...]
    terms: tuple[str, ...]
    below_min_score: int
    mode: SearchMode
    semantic_weight: float | None
    is_reranked: bool


_RESULT = TypeAdapter(CachedResult)


class SearchCache:
    """Keeps results for each tenant. Without the cache every search is made.

    Args:
        cache: Keeps bytes; None keeps nothing.
        ttl_s: Seconds after which a result is forgotten.
    """

    def __init__(self, cache: ResponseCache | None, *, ttl_s: float) -> None:
        self._cache = cache
        self._ttl_s = ttl_s

    async def find(self, tenant_id: UUID, key: str) -> CachedResult | None:
        """Return the result under a key."""
        if self._cache is None:
            return None
        try:
            async with asyncio.timeout(CACHE_S):
                value = await self._cache.find(tenant_id, key)
            return None if value is None else _RESULT.validate_json(value)
        except (UnavailableError, TimeoutError, ValidationError) as error:
            _log.warning("search_cache.unavailable", error=type(error).__name__)
            return None

    async def store(self, tenant_id: UUID, key: str, result: CachedResult) -> None:
        """Keep a result."""
        if self._cache is None:
            return
        try:
            async with asyncio.timeout(CACHE_S):
                await self._cache.store(tenant_id, key, _RESULT.dump_json(result), self._ttl_s)
        except (UnavailableError, TimeoutError) as error:
            _log.warning("search_cache.unavailable", error=type(error).__name__)


def cached_result(query: SearchQuery, expanded: ExpandedResult) -> CachedResult:
    """Return what is kept of a result of the index."""
    result, scores = expanded.result, expanded.graph_scores
    passages = (
        CachedPassage(hit.chunk_id, hit.score, hit.parts, graph_score=scores.get(hit.chunk_id)) for hit in result.hits
    )
    weight = result.semantic_weight
    return CachedResult(tuple(passages), result.terms, result.below_min_score, query.mode, weight, is_reranked=False)


def cache_key(query: SearchQuery, bases: Sequence[KnowledgeBase], options: tuple[object, ...]) -> str:
    """Return all that decides about a result, as a digest.

    Args:
        query: What the index is asked, with vectors and the documents that a filter allows.
        bases: The bases of the query, as they were read before the index was asked: `index_revision` increases after
            each write to the index, so that a result of an earlier state is never kept under a later revision.
        options: What happens to the result of the index.
    """
    ids = query.filter.document_ids
    documents = None if ids is None else sorted(map(str, ids))
    what = replace(query, vectors={}, knowledge_base_ids=(), filter=replace(query.filter, document_ids=None))
    vectors = sorted((space, sha256(vector.tobytes()).hexdigest()) for space, vector in query.vectors.items())
    revisions = sorted((str(base.id), base.index_revision) for base in bases)
    indexes = sorted(map(str, query.knowledge_base_ids))
    return sha256(dumps([_FORMAT, what, documents, indexes, vectors, revisions, options])).hexdigest()
