"""Searching knowledge bases."""

from typing import Annotated, Self
from uuid import UUID

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.knowledge.enums import SearchMode
from nexent_gql.api.knowledge.loaders import document_row
from nexent_gql.api.knowledge.types import Document, DocumentChunk
from nexent_gql.api.schema.permissions import SignedIn
from nexent_gql.api.schema.relay import node_id
from nexent_gql.domains.knowledge.searching import MAX_QUESTION_CHARS, KnowledgeSearch, ScoredPassage, SearchAnswer
from nexent_gql.ports.search_index import MAX_BASES, MAX_TOP_K

_DEFAULTS = KnowledgeSearch("", ())


@strawberry.input(description="What `searchKnowledge` searches for.")
class SearchKnowledgeInput:
    query: str = strawberry.field(description=f"Question or words, 1 to {MAX_QUESTION_CHARS:,} characters.")
    knowledge_base_ids: list[strawberry.ID] = strawberry.field(
        description=f"IDs of 1 to {MAX_BASES} KnowledgeBases, all of which you can read."
    )
    top_k: int | None = strawberry.field(
        default=_DEFAULTS.top_k,
        description=f"Most passages, 1 to {MAX_TOP_K}. Default {_DEFAULTS.top_k}, also for null.",
    )
    min_score: float | None = strawberry.field(
        default=_DEFAULTS.min_score,
        description="Leaves out passages with a lower `score`, 0 to 1. Default 0, also for null.",
    )
    mode: SearchMode | None = strawberry.field(
        default=_DEFAULTS.mode, description="What is compared. Default HYBRID, also for null."
    )

    def search(self) -> KnowledgeSearch:
        """Return what the service takes."""
        return KnowledgeSearch(
            self.query,
            tuple(node_id(id_, "KnowledgeBase", "input", "knowledgeBaseIds") for id_ in self.knowledge_base_ids),
            _DEFAULTS.top_k if self.top_k is None else self.top_k,
            _DEFAULTS.min_score if self.min_score is None else self.min_score,
            self.mode or _DEFAULTS.mode,
        )


@strawberry.type(description="How a score came about.")
class ScoreExplanation:
    terms: list[str] = strawberry.field(description="Words of the query that the passage has.")
    bm25: float | None = strawberry.field(
        description="BM25 score with frequencies of words in all searched bases; null if it has none of the words."
    )
    coverage: float | None = strawberry.field(
        description="`bm25` as a share of what the query's words could reach, 0 to 1; null if it has none of them."
    )
    cosine: float | None = strawberry.field(
        description="Similarity of meaning by the embedding model, -1 to 1; null if it was not compared."
    )


@strawberry.type(description="A passage that a search returned.")
class KnowledgeSearchHit:
    chunk: DocumentChunk = strawberry.field(description="The passage.")
    score: float = strawberry.field(
        description="How good it is. KEYWORD: share of the query's information that it has, 0 to 1. SEMANTIC: cosine. "
        "HYBRID: 0 to 1 in comparison with the other passages."
    )
    explain: ScoreExplanation = strawberry.field(description="How `score` came about.")
    document_id: strawberry.Private[UUID]

    @strawberry.field(description="The document; null if it was deleted meanwhile.")
    async def document(self, info: Info) -> Document | None:
        row = await info.context.loaders[document_row].load(self.document_id)
        return Document.of(row) if row else None

    @classmethod
    def of(cls, passage: ScoredPassage) -> Self:
        parts = passage.parts
        return cls(
            chunk=DocumentChunk.of(passage.chunk),
            score=passage.score,
            explain=ScoreExplanation(
                terms=list(parts.terms), bm25=parts.bm25, coverage=parts.coverage, cosine=parts.cosine
            ),
            document_id=passage.chunk.document_id,
        )


@strawberry.type(description="Result of `searchKnowledge`.")
class KnowledgeSearchResult:
    hits: list[KnowledgeSearchHit] = strawberry.field(description="The best passages first, at most `topK`.")
    terms: list[str] = strawberry.field(
        description="Words that were searched for: words and numbers, pairs of Chinese characters, and codes such as "
        "`AX-3391-B` whole beside their parts. At most 128."
    )
    mode: SearchMode = strawberry.field(
        description="What was compared. A HYBRID search is KEYWORD where there is no embedding model, or it failed."
    )
    below_min_score: int = strawberry.field(description="How many passages `minScore` left out, at most 100.")

    @classmethod
    def of(cls, answer: SearchAnswer) -> Self:
        return cls(
            hits=[KnowledgeSearchHit.of(passage) for passage in answer.passages],
            terms=list(answer.terms),
            mode=answer.mode,
            below_min_score=answer.below_min_score,
        )


@strawberry.type
class KnowledgeSearchQueries:
    @strawberry.field(
        description="Searches knowledge bases by words and by meaning, and returns the passages that answer best.",
        permission_classes=[SignedIn],
    )
    async def search_knowledge(
        self,
        info: Info,
        input: Annotated[SearchKnowledgeInput, strawberry.argument(description="What to search for.")],
    ) -> KnowledgeSearchResult:
        service = info.context.services.knowledge_search
        return KnowledgeSearchResult.of(await service.search(info.context.actor, input.search()))
