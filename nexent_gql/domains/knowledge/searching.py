"""Searches knowledge bases: the one path from a question to passages that the caller may read."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import structlog

from nexent_gql.db.session import Database
from nexent_gql.domains.knowledge.embedding import KnowledgeEmbedder
from nexent_gql.domains.knowledge.errors import KnowledgeBaseNotFoundError
from nexent_gql.domains.knowledge.repository import ChunkRepository, KnowledgeBaseRepository
from nexent_gql.domains.knowledge.tables import Chunk, KnowledgeBase
from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.principal import Principal
from nexent_gql.kernel.text import optional_text
from nexent_gql.ports.search_index import MAX_BASES, MAX_TOP_K, ScoreParts, SearchIndex, SearchMode, SearchQuery

MAX_QUESTION_CHARS = 2_000
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
    """

    question: str
    knowledge_base_ids: tuple[UUID, ...]
    top_k: int = 10
    min_score: float = 0.0
    mode: SearchMode = SearchMode.HYBRID


@dataclass(frozen=True, slots=True)
class ScoredPassage:
    """A chunk, and how good it is, from 0 to 1."""

    chunk: Chunk
    score: float
    parts: ScoreParts


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """The best passages first, the words that were searched for, and what was compared."""

    passages: tuple[ScoredPassage, ...]
    terms: tuple[str, ...]
    below_min_score: int
    mode: SearchMode


class KnowledgeSearchService:
    """Searches bases that the caller may read.

    Args:
        db: Where bases and chunks are.
        index: Where chunks are found; what it returns is checked against the rows.
        embedder: Embeds questions.
    """

    def __init__(self, db: Database, index: SearchIndex, embedder: KnowledgeEmbedder) -> None:
        self._db = db
        self._index = index
        self._embedder = embedder

    async def search(self, actor: Principal, search: KnowledgeSearch) -> SearchAnswer:
        """Return the passages that answer best.

        Raises:
            KnowledgeBaseNotFoundError: The caller can't read one of the bases.
            InvalidInputError: The question is blank or too long, or a number is out of range.
            UnavailableError: The index does not answer.
            ModelError: SEMANTIC needs the embedding model, which failed.
        """
        query = _query(search)
        async with self._db.read(actor.tenant_id) as session:
            bases = await KnowledgeBaseRepository(session, actor.tenant_id).readable(
                actor.user_id, query.knowledge_base_ids
            )
        for base_id in query.knowledge_base_ids:
            if base_id not in {base.id for base in bases}:
                raise KnowledgeBaseNotFoundError(base_id)
        query = await self._with_vectors(actor, query, bases)
        result = await self._index.search(actor.tenant_id, query)
        async with self._db.read(actor.tenant_id) as session:
            ids = [hit.chunk_id for hit in result.hits]
            chunks = await ChunkRepository(session, actor.tenant_id).readable(actor.user_id, ids, is_enabled=True)
        by_id = {chunk.id: chunk for chunk in chunks}
        passages = (
            ScoredPassage(by_id[hit.chunk_id], hit.score, hit.parts) for hit in result.hits if hit.chunk_id in by_id
        )
        return SearchAnswer(tuple(passages), result.terms, result.below_min_score, query.mode)

    async def _with_vectors(self, actor: Principal, query: SearchQuery, bases: Sequence[KnowledgeBase]) -> SearchQuery:
        """Add the vectors of the question; a hybrid search goes on by words where there are none.

        Documents of a base whose model was changed have vectors of either model until all are embedded again.
        """
        if query.mode is SearchMode.KEYWORD:
            return query
        model_ids: dict[UUID | None, None] = dict.fromkeys(base.embedding_model_id for base in bases)
        model_ids |= dict.fromkeys(base.previous_model_id for base in bases if base.previous_model_id is not None)
        vectors = await self._embedder.embed_question(actor.tenant_id, actor.user_id, query.text, list(model_ids))
        if vectors.error is not None:
            _log.warning("knowledge.search_without_vectors", tenant_id=str(actor.tenant_id), code=vectors.error.code)
        if vectors.by_space:
            return replace(query, vectors=vectors.by_space)
        if query.mode is not SearchMode.SEMANTIC:
            return replace(query, mode=SearchMode.KEYWORD)
        if vectors.error is not None:
            raise vectors.error
        raise InvalidInputError("There is no embedding model; register one, or search by words.", path=("mode",))


def _query(search: KnowledgeSearch) -> SearchQuery:
    question = optional_text(search.question, "question", max_chars=MAX_QUESTION_CHARS)
    if not question:
        raise InvalidInputError("Ask something.", path=("question",))
    for name, value, least, most in (
        ("knowledgeBaseIds", len(search.knowledge_base_ids), 1, MAX_BASES),
        ("topK", search.top_k, 1, MAX_TOP_K),
        ("minScore", search.min_score, 0, 1),
    ):
        if not least <= value <= most:
            raise InvalidInputError(f"Give {least} to {most}.", path=(name,), minimum=least, limit=most)
    return SearchQuery(
        question,
        tuple(dict.fromkeys(search.knowledge_base_ids)),
        search.mode,
        top_k=search.top_k,
        min_score=search.min_score,
    )
