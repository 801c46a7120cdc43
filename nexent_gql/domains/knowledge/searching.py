"""Searches knowledge bases: the one path from a question to passages that the caller may read."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from nexent_gql.db.session import Database
from nexent_gql.domains.knowledge.attributes import check_values
from nexent_gql.domains.knowledge.conditions import MetadataFilter, check_time
from nexent_gql.domains.knowledge.embedding import KnowledgeEmbedder
from nexent_gql.domains.knowledge.errors import KnowledgeBaseNotFoundError
from nexent_gql.domains.knowledge.graph_expansion import related_names, search_expanded
from nexent_gql.domains.knowledge.index_ids import index_id
from nexent_gql.domains.knowledge.matching import matching_documents
from nexent_gql.domains.knowledge.repository import ChunkRepository, DocumentRepository, KnowledgeBaseRepository
from nexent_gql.domains.knowledge.reranking import CANDIDATES, KnowledgeReranker
from nexent_gql.domains.knowledge.search_cache import (
    CachedPassage,
    CachedResult,
    SearchCache,
    cache_key,
    cached_result,
)
from nexent_gql.domains.knowledge.tables import Chunk, KnowledgeBase
from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.principal import Principal
from nexent_gql.kernel.text import optional_text
from nexent_gql.ports.search_index import (
    MAX_BASES,
    MAX_TOP_K,
    FusionOptions,
    ScoreParts,
    SearchFilter,
    SearchIndex,
    SearchMode,
    SearchQuery,
)

MAX_QUESTION_CHARS = 2_000
MAX_NEIGHBORS = 3
MAX_FILTER_VALUES = 100
MAX_RANK_CONSTANT = 1_000
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class KnowledgeSearch:
    """What to search for.

    Attributes:
        question: Words, at most 2,000 characters.
        knowledge_base_ids: 1 to 100 bases.
        top_k: The most passages, 1 to 100.
        min_score: Passages below it are left out, 0 to 1.
        mode: What is compared. HYBRID compares words only where there are no vectors.
        fusion: How a HYBRID search joins words and vectors.
        filter: Which documents are searched, by what the index has of them.
        metadata: The same by what their rows have.
        is_reranked: Whether the tenant's default reranking model reads the best 30 passages and orders them again.
        neighbor_count: How many passages before and after each to return, 0 to 3.
        is_graph_expanded: Whether to find passages too that name what the graphs of the bases relate to the question.
    """

    question: str
    knowledge_base_ids: tuple[UUID, ...]
    top_k: int = 10
    min_score: float = 0.0
    mode: SearchMode = SearchMode.HYBRID
    fusion: FusionOptions = field(default_factory=FusionOptions)
    filter: SearchFilter = field(default_factory=SearchFilter)
    metadata: MetadataFilter = field(default_factory=MetadataFilter)
    is_reranked: bool = False
    neighbor_count: int = 0
    is_graph_expanded: bool = False


@dataclass(frozen=True, slots=True)
class ScoredPassage:
    """A chunk, and how good it is, from 0 to 1.

    Attributes:
        chunk: The chunk.
        score: Of the last stage.
        parts: Where the score of the first stage comes from.
        rerank_score: The score of the reranking model; its range is the model's.
        rerank_part: What it adds to the score.
        graph_score: Share of the related names that it has, 0 to 1; None if it has none.
        before: Chunks in front of it, in the order of the text.
        after: Chunks behind it.
    """

    chunk: Chunk
    score: float
    parts: ScoreParts
    rerank_score: float | None = None
    graph_score: float | None = None
    rerank_part: float | None = None
    before: tuple[Chunk, ...] = ()
    after: tuple[Chunk, ...] = ()


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """The best passages first, the words that were searched for, and what was compared.

    Attributes:
        passages: At most `top_k`.
        terms: Words of the question.
        below_min_score: How many passages `min_score` left out.
        mode: What was compared.
        semantic_weight: Share of the vectors in the scores; None unless the mode is HYBRID.
        is_reranked: Whether a reranking model ordered the passages.
        matching_count: How many documents the conditions on metadata allow; None without conditions.
        is_cached: Whether the result comes from the cache.
        related_names: Entities of the graphs that the search was widened by, folded.
    """

    passages: tuple[ScoredPassage, ...]
    terms: tuple[str, ...]
    below_min_score: int
    mode: SearchMode
    semantic_weight: float | None = None
    is_reranked: bool = False
    matching_count: int | None = None
    is_cached: bool = False
    related_names: tuple[str, ...] = ()


class KnowledgeSearchService:
    """Searches bases that the caller may read.

    Args:
        db: Where bases and chunks are.
        index: Where chunks are found; what it returns is checked against the rows.
        embedder: Embeds questions.
        reranker: Reads the best passages, where the search asks for it.
        cache: Keeps results; without one every search asks the index.
        max_matching: The most documents that conditions on metadata may allow.
    """

    def __init__(
        self,
        db: Database,
        index: SearchIndex,
        embedder: KnowledgeEmbedder,
        reranker: KnowledgeReranker,
        *,
        cache: SearchCache | None = None,
        max_matching: int = 10_000,
    ) -> None:
        self._db = db
        self._index = index
        self._embedder = embedder
        self._reranker = reranker
        self._cache = cache or SearchCache(None, ttl_s=0)
        self._max_matching = max_matching

    async def search(self, actor: Principal, search: KnowledgeSearch) -> SearchAnswer:
        """Return the passages that answer best.

        Raises:
            KnowledgeBaseNotFoundError: The caller can't read one of the bases.
            InvalidInputError: The question is blank or too long, a number is out of range, a condition breaks a rule,
                or the conditions allow too many documents.
            UnavailableError: The index does not answer.
            ModelError: SEMANTIC needs the embedding model, which failed.
        """
        query = _query(search)
        metadata = search.metadata.checked()
        async with self._db.read(actor.tenant_id) as session:
            bases = await KnowledgeBaseRepository(session, actor.tenant_id).readable(
                actor.user_id, query.knowledge_base_ids
            )
            missing = set(query.knowledge_base_ids) - {base.id for base in bases}
            if missing:
                raise KnowledgeBaseNotFoundError(min(missing, key=query.knowledge_base_ids.index))
            matching = await self._matching(session, actor, query, metadata) if metadata else None
            names = await self._related_names(session, actor, search)
        if matching is not None:
            query = replace(query, filter=replace(query.filter, document_ids=matching))
        query = await self._with_vectors(actor, await self._of_indexes(actor, query, bases), bases)
        reranker = await self._reranker.identity(actor.tenant_id) if search.is_reranked else None
        key = cache_key(query, bases, (search.top_k, search.min_score, search.is_reranked, reranker, names))
        result = await self._cache.find(actor.tenant_id, key)
        if result is not None:
            answer = replace(await self._read(actor, result), is_cached=True)
        else:
            result = cached_result(query, await search_expanded(self._index, actor.tenant_id, query, names))
            answer = await self._read(actor, result)
            if search.is_reranked and answer.passages:
                is_whole = len(answer.passages) == len(result.passages)
                answer = _cut(await self._reranked(actor, query.text, answer), search)
                result = _result_of(answer) if is_whole and answer.is_reranked else None
            if result is not None:
                await self._cache.store(actor.tenant_id, key, result)
        count = None if matching is None else len(matching)
        answer = replace(answer, matching_count=count, related_names=names)
        return await self._with_neighbors(actor, answer, search.neighbor_count)

    async def _read(self, actor: Principal, result: CachedResult) -> SearchAnswer:
        """Return a result with the passages that the caller may read and that are found now."""
        async with self._db.read(actor.tenant_id) as session:
            ids = [passage.chunk_id for passage in result.passages]
            chunks = await ChunkRepository(session, actor.tenant_id).readable(actor.user_id, ids, is_enabled=True)
        by_id = {chunk.id: chunk for chunk in chunks}
        passages = (
            ScoredPassage(
                by_id[passage.chunk_id],
                passage.score,
                passage.parts,
                passage.rerank_score,
                passage.graph_score,
                passage.rerank_part,
            )
            for passage in result.passages
            if passage.chunk_id in by_id
        )
        return SearchAnswer(
            tuple(passages),
            result.terms,
            result.below_min_score,
            result.mode,
            result.semantic_weight,
            is_reranked=result.is_reranked,
        )

    async def _related_names(self, session: AsyncSession, actor: Principal, search: KnowledgeSearch) -> tuple[str, ...]:
        if not search.is_graph_expanded:
            return ()
        return await related_names(session, actor.tenant_id, search.knowledge_base_ids, search.question)

    async def _of_indexes(self, actor: Principal, query: SearchQuery, bases: Sequence[KnowledgeBase]) -> SearchQuery:
        """Name bases and documents as the indexes do that searches of the bases use now."""
        numbers = {base.id: base.index_number for base in bases}
        ids = query.filter.document_ids
        if ids and any(numbers.values()):
            async with self._db.read(actor.tenant_id) as session:
                places = await DocumentRepository(session, actor.tenant_id).bases_of(ids)
            ids = tuple(index_id(id_, numbers[base_id]) for id_, base_id in places.items() if base_id in numbers)
        return replace(
            query,
            knowledge_base_ids=tuple(index_id(id_, numbers[id_]) for id_ in query.knowledge_base_ids),
            filter=replace(query.filter, document_ids=ids),
        )

    async def _matching(
        self, session: AsyncSession, actor: Principal, query: SearchQuery, metadata: MetadataFilter
    ) -> tuple[UUID, ...]:
        """Return the documents that conditions allow, cut to those that the search names.

        Raises:
            InvalidInputError: There are too many.
        """
        limit = self._max_matching
        ids = await matching_documents(session, actor.tenant_id, query.knowledge_base_ids, metadata, limit + 1)
        if len(ids) > limit:
            message = f"More than {limit:,} documents match. Add a condition, or search fewer knowledge bases."
            raise InvalidInputError(message, path=("filter",), limit=limit)
        named = query.filter.document_ids
        return tuple(ids if named is None else set(ids).intersection(named))

    async def _reranked(self, actor: Principal, question: str, answer: SearchAnswer) -> SearchAnswer:
        """Order passages by both stages; without a reranking model, or if it fails, they stay as they are."""
        passages = answer.passages
        scores = await self._reranker.rerank(
            actor.tenant_id,
            actor.user_id,
            question,
            [passage.chunk.search_text for passage in passages],
            [passage.score for passage in passages],
            semantic_weight=answer.semantic_weight,
        )
        if scores.error is not None:
            _log.warning("knowledge.search_without_reranking", code=scores.error.code)
        if not scores.model:
            return answer
        scored = (
            replace(passage, score=joined, rerank_score=own, rerank_part=part)
            for passage, joined, own, part in zip(passages, scores.joined, scores.model, scores.parts, strict=True)
        )
        return replace(answer, passages=tuple(sorted(scored, key=lambda it: -it.score)), is_reranked=True)

    async def _with_neighbors(self, actor: Principal, answer: SearchAnswer, count: int) -> SearchAnswer:
        if not count or not answer.passages:
            return answer
        chunks = [passage.chunk for passage in answer.passages]
        async with self._db.read(actor.tenant_id) as session:
            rows = await ChunkRepository(session, actor.tenant_id).neighbors(chunks, count)
        by_place = {(row.version_id, row.ordinal): row for row in rows}

        def near(chunk: Chunk, distances: range) -> tuple[Chunk, ...]:
            places = [(chunk.version_id, chunk.ordinal + distance) for distance in distances]
            return tuple(by_place[place] for place in places if place in by_place)

        passages = (
            replace(it, before=near(it.chunk, range(-count, 0)), after=near(it.chunk, range(1, count + 1)))
            for it in answer.passages
        )
        return replace(answer, passages=tuple(passages))

    async def _with_vectors(self, actor: Principal, query: SearchQuery, bases: Sequence[KnowledgeBase]) -> SearchQuery:
        """Add the vectors of the question; a hybrid search goes on by words where there are none."""
        if query.mode is SearchMode.KEYWORD:
            return query
        choices = list(dict.fromkeys(base.embedding for base in bases))
        vectors = await self._embedder.embed_question(actor.tenant_id, actor.user_id, query.text, choices)
        if vectors.error is not None:
            _log.warning("knowledge.search_without_vectors", tenant_id=str(actor.tenant_id), code=vectors.error.code)
        if vectors.by_space:
            return replace(query, vectors=vectors.by_space)
        if query.mode is not SearchMode.SEMANTIC:
            return replace(query, mode=SearchMode.KEYWORD)
        if vectors.error is not None:
            raise vectors.error
        raise InvalidInputError("There is no embedding model; register one, or search by words.", path=("mode",))


def _cut(answer: SearchAnswer, search: KnowledgeSearch) -> SearchAnswer:
    """Apply what a search asks for to passages that were ordered again."""
    above = tuple(passage for passage in answer.passages if passage.score >= search.min_score)
    below = len(answer.passages) - len(above)
    return replace(answer, passages=above[: search.top_k], below_min_score=below)


def _result_of(answer: SearchAnswer) -> CachedResult:
    """Return what the cache keeps of an answer."""
    passages = (
        CachedPassage(it.chunk.id, it.score, it.parts, it.rerank_score, it.graph_score, it.rerank_part)
        for it in answer.passages
    )
    return CachedResult(
        tuple(passages),
        answer.terms,
        answer.below_min_score,
        answer.mode,
        answer.semantic_weight,
        is_reranked=answer.is_reranked,
    )


def _query(search: KnowledgeSearch) -> SearchQuery:
    question = optional_text(search.question, "question", max_chars=MAX_QUESTION_CHARS)
    if not question:
        raise InvalidInputError("Ask something.", path=("question",))
    fusion, filters = search.fusion, search.filter
    for path, value, least, most in (
        (("knowledgeBaseIds",), len(search.knowledge_base_ids), 1, MAX_BASES),
        (("topK",), search.top_k, 1, MAX_TOP_K),
        (("minScore",), search.min_score, 0, 1),
        (("neighbors",), search.neighbor_count, 0, MAX_NEIGHBORS),
        (("fusion", "semanticWeight"), 0.5 if fusion.semantic_weight is None else fusion.semantic_weight, 0, 1),
        (("fusion", "rankConstant"), fusion.rank_constant, 1, MAX_RANK_CONSTANT),
        (("filter", "documentIds"), len(filters.document_ids or ()), 0, MAX_FILTER_VALUES),
    ):
        if not least <= value <= most:
            raise InvalidInputError(f"Give {least} to {most}.", path=path, minimum=least, limit=most)
    filters = replace(
        filters,
        languages=_texts(filters.languages, "languages"),
        media_types=_texts(filters.media_types, "mediaTypes"),
        created_from=check_time(filters.created_from, "filter", "createdFrom"),
        created_before=check_time(filters.created_before, "filter", "createdBefore"),
    )
    return SearchQuery(
        question,
        tuple(dict.fromkeys(search.knowledge_base_ids)),
        search.mode,
        fusion=fusion,
        filter=filters,
        top_k=max(search.top_k, CANDIDATES) if search.is_reranked else search.top_k,
        min_score=0.0 if search.is_reranked else search.min_score,
    )


def _texts(values: Sequence[str], name: str) -> tuple[str, ...]:
    """Return values that a document may have, in small letters as documents have them."""
    return (
        tuple(value.lower() for value in check_values(values, "filter", name, limit=MAX_FILTER_VALUES))
        if values
        else ()
    )
