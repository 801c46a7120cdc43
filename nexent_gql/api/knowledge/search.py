"""Searching knowledge bases."""

from typing import Annotated, Self
from uuid import UUID

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.conversations.values import TextRange
from nexent_gql.api.knowledge.enums import SearchMode
from nexent_gql.api.knowledge.loaders import document_row
from nexent_gql.api.knowledge.search_filters import SearchFilterInput
from nexent_gql.api.knowledge.types import Document, DocumentChunk
from nexent_gql.api.schema.permissions import SignedIn
from nexent_gql.api.schema.relay import node_id
from nexent_gql.domains.knowledge.graph_expansion import GRAPH_WEIGHT, MAX_RELATED, MAX_SEEDS
from nexent_gql.domains.knowledge.highlights import MAX_HIGHLIGHTS, highlights
from nexent_gql.domains.knowledge.reranking import CANDIDATES, SHARE_OF_MEANING, WEIGHT
from nexent_gql.domains.knowledge.searching import (
    MAX_NEIGHBORS,
    MAX_QUESTION_CHARS,
    MAX_RANK_CONSTANT,
    KnowledgeSearch,
    ScoredPassage,
    SearchAnswer,
)
from nexent_gql.ports.search_index import MAX_BASES, MAX_TOP_K, FusionMethod, FusionOptions

_DEFAULTS = KnowledgeSearch("", ())
_FUSION = _DEFAULTS.fusion


@strawberry.input(description="How a HYBRID search combines the scores of words and of meaning.")
class SearchFusionInput:
    method: FusionMethod | None = strawberry.field(
        default=_FUSION.method, description="How to combine the scores. Default NORMALIZED_SCORES, also for null."
    )
    semantic_weight: float | None = strawberry.field(
        default=None,
        description="Share of the meaning, 0 to 1; words have the rest. Null lets the search decide: 0.35 if "
        "the query has an identifier such as an error code or the name of a setting; else 0.5 if the words of some "
        "passage have a `coverage` of at least 0.35, and 0.7 if none has.",
    )
    rank_constant: int | None = strawberry.field(
        default=_FUSION.rank_constant,
        description=f"Of RECIPROCAL_RANKS: the larger, the less the first ranks count, 1 to {MAX_RANK_CONSTANT:,}. "
        f"Default {_FUSION.rank_constant}, also for null.",
    )

    def options(self) -> FusionOptions:
        """Return what the service takes."""
        constant = _FUSION.rank_constant if self.rank_constant is None else self.rank_constant
        return FusionOptions(self.method or _FUSION.method, self.semantic_weight, constant)


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
        default=None, description="Leaves out passages with a lower `score`, 0 to 1. Null means 0."
    )
    mode: SearchMode | None = strawberry.field(
        default=_DEFAULTS.mode, description="What to compare. Default HYBRID, also for null."
    )
    fusion: SearchFusionInput | None = strawberry.field(
        default=None, description="How a HYBRID search combines scores. Null means the defaults."
    )
    filter: SearchFilterInput | None = strawberry.field(
        default=None, description="Which documents to search. Null means all."
    )
    rerank: bool | None = strawberry.field(
        default=False,
        description=f"Whether the tenant's default reranking model or route reads the best {CANDIDATES} passages, or "
        "`topK` if that is more, and orders them again. It takes seconds with a local model. Default false, also for "
        "null.",
    )
    neighbors: int | None = strawberry.field(
        default=0,
        description=f"How many passages before and after each to return, 0 to {MAX_NEIGHBORS}. Default 0, also for "
        "null.",
    )

    expand_graph: bool | None = strawberry.field(
        default=False,
        description="Whether to find passages too that name what the graphs of the knowledge bases relate to entities "
        "of the query. Default false, also for null. Without a graph, nothing changes.",
    )

    def search(self) -> KnowledgeSearch:
        """Return what the service takes."""
        return KnowledgeSearch(
            self.query,
            tuple(node_id(id_, "KnowledgeBase", "input", "knowledgeBaseIds") for id_ in self.knowledge_base_ids),
            _DEFAULTS.top_k if self.top_k is None else self.top_k,
            _DEFAULTS.min_score if self.min_score is None else self.min_score,
            self.mode or _DEFAULTS.mode,
            fusion=self.fusion.options() if self.fusion else _FUSION,
            filter=self.filter.filter() if self.filter else _DEFAULTS.filter,
            metadata=self.filter.metadata() if self.filter else _DEFAULTS.metadata,
            is_reranked=bool(self.rerank),
            neighbor_count=self.neighbors or 0,
            is_graph_expanded=bool(self.expand_graph),
        )


@strawberry.type(description="How a score was computed.")
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
    keyword_part: float | None = strawberry.field(
        description="What the words add to a HYBRID score; null in other modes."
    )
    semantic_part: float | None = strawberry.field(
        description="What the meaning adds to a HYBRID score; null in other modes."
    )
    rerank_score: float | None = strawberry.field(
        description="Score by the reranking model, whose range is the model's; null without one."
    )
    rerank_part: float | None = strawberry.field(
        description="What the reranking model adds to `score`; null without one. Its scores, less the mean of the "
        f"passages in the same script, and the scores before are scaled to 0 to 1 and joined: {SHARE_OF_MEANING} * "
        f"`semanticWeight` is the model's share in HYBRID searches, {WEIGHT} in others."
    )
    graph_score: float | None = strawberry.field(
        description="Share of the names in `graphEntities` that the passage has, by their information, 0 to 1; null if "
        f"it has none. `score` is 1 - (1 - score without it) * (1 - {GRAPH_WEIGHT} * `graphScore`)."
    )


@strawberry.type(description="A passage that a search returned.")
class KnowledgeSearchHit:
    chunk: DocumentChunk = strawberry.field(description="The passage.")
    score: float = strawberry.field(
        description="How well the passage matches. KEYWORD: share of the query's information that it has, 0 to 1. "
        "SEMANTIC: cosine. HYBRID: 0 to 1 in comparison with the other passages."
    )
    explain: ScoreExplanation = strawberry.field(description="How `score` was computed.")
    highlights: list[TextRange] = strawberry.field(
        description=f"Matches of the query's words in the passage, in order, at most {MAX_HIGHLIGHTS}."
    )
    before: list[DocumentChunk] = strawberry.field(
        description="The passages before this one, in the order of the text, at most `neighbors`."
    )
    after: list[DocumentChunk] = strawberry.field(description="The passages after this one, at most `neighbors`.")
    document_id: strawberry.Private[UUID]

    @strawberry.field(description="The document; null if it has been deleted.")
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
                terms=list(parts.terms),
                bm25=parts.bm25,
                coverage=parts.coverage,
                cosine=parts.cosine,
                keyword_part=parts.keyword_part,
                semantic_part=parts.semantic_part,
                rerank_score=passage.rerank_score,
                rerank_part=passage.rerank_part,
                graph_score=passage.graph_score,
            ),
            highlights=list(map(TextRange.of, highlights(passage.chunk.content, parts.terms))),
            before=[DocumentChunk.of(chunk) for chunk in passage.before],
            after=[DocumentChunk.of(chunk) for chunk in passage.after],
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
        description="What the search compared. A HYBRID search becomes KEYWORD if there is no embedding model "
        "or it fails."
    )
    semantic_weight: float | None = strawberry.field(
        description="Share of the meaning in the scores of a HYBRID search; null in other modes."
    )
    reranked: bool = strawberry.field(
        description="Whether a reranking model ordered the passages; false if there is none or it failed."
    )
    graph_entities: list[str] = strawberry.field(
        description="With `expandGraph`: names of entities in the query and of those that passages relate to them, in "
        f"lower case, at most {MAX_SEEDS + MAX_RELATED}."
    )
    below_min_score: int = strawberry.field(description="How many passages `minScore` left out, at most 100.")
    cached: bool = strawberry.field(
        description="Whether the result was kept from the same search over the same state of the index. Texts and "
        "rights are read again for each search."
    )
    matching_document_count: int | None = strawberry.field(
        description="Number of documents that `allOf` and `anyOf` of the filter allow; null without them."
    )

    @classmethod
    def of(cls, answer: SearchAnswer) -> Self:
        return cls(
            hits=[KnowledgeSearchHit.of(passage) for passage in answer.passages],
            terms=list(answer.terms),
            mode=answer.mode,
            semantic_weight=answer.semantic_weight,
            reranked=answer.is_reranked,
            graph_entities=list(answer.related_names),
            below_min_score=answer.below_min_score,
            cached=answer.is_cached,
            matching_document_count=answer.matching_count,
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
