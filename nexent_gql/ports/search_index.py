"""An index of chunks, searched by words, by vectors or by both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Protocol
from uuid import UUID

from nexent_gql.kernel.errors import NotFoundError, UnavailableError
from nexent_gql.ports.embeddings import Vector

MAX_BASES = 100
"""The most bases of one search."""
MAX_TOP_K = 100
"""The most hits of one search."""
MAX_QUERY_TERMS = 128
"""Further words of a query are ignored; `SearchResult.terms` has those that were used."""
CANDIDATES = 100
"""How many of the best chunks by words, and by vectors of each space, are considered."""


class SearchMode(StrEnum):
    """What is compared: words, vectors, or both."""

    KEYWORD = "KEYWORD"
    SEMANTIC = "SEMANTIC"
    HYBRID = "HYBRID"


class FusionMethod(StrEnum):
    """How a hybrid search joins two scores: by their values, or by their ranks only."""

    NORMALIZED_SCORES = "NORMALIZED_SCORES"
    RECIPROCAL_RANKS = "RECIPROCAL_RANKS"


@dataclass(frozen=True, slots=True)
class FusionOptions:
    """How a hybrid search joins two scores.

    Attributes:
        method: NORMALIZED_SCORES scales both to 0 to 1: cosines by the least and the largest of the best 100, the score
            by words by the best hit's.
        semantic_weight: Share of the vectors, 0 to 1; the words have the rest. None lets the search decide: 0.35 if
            the question has an identifier such as an error code or the name of a setting; else 0.5 if a chunk covers
            at least 0.35 of the question's information by words, and 0.7 if none does.
        rank_constant: Of RECIPROCAL_RANKS: the larger, the less the first ranks count.
    """

    method: FusionMethod = FusionMethod.NORMALIZED_SCORES
    semantic_weight: float | None = None
    rank_constant: int = 60


@dataclass(frozen=True, slots=True)
class IndexedChunk:
    """A chunk to be found; `text` includes headings. Without `vector` it is found by words only."""

    chunk_id: UUID
    text: str
    vector: "Vector | None" = None


@dataclass(frozen=True, slots=True)
class IndexedVersion:
    """All chunks of one version of a document.

    Attributes:
        knowledge_base_id: Where its document belongs.
        document_id: The document.
        version_id: The version.
        chunks: In the order of the text; all vectors have the same length. They may be read from a file one by one:
            iterate in a thread, in batches.
        space: Names the embedding model of the vectors; vectors of different spaces are never compared.
        language: Two-letter code, for filters.
        media_type: For filters.
        created_at: When the version was added, for filters.
    """

    knowledge_base_id: UUID
    document_id: UUID
    version_id: UUID
    chunks: Sequence[IndexedChunk]
    space: str | None = None
    language: str | None = None
    media_type: str | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SearchFilter:
    """Which documents are searched; an empty field allows all. A value that a document lacks matches nothing.

    A filter does not change scores: words are counted in all documents of the bases.

    Attributes:
        document_ids: These only; None allows all, and an empty one none.
        languages: Two-letter codes.
        media_types: Whole media types.
        created_from: At this time or later.
        created_before: Earlier than this time.
    """

    document_ids: tuple[UUID, ...] | None = None
    languages: tuple[str, ...] = ()
    media_types: tuple[str, ...] = ()
    created_from: datetime | None = None
    created_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """What to search for.

    Attributes:
        text: The question.
        knowledge_base_ids: 1 to 100 bases that the user may read.
        mode: What is compared.
        vectors: The question's vector by space; needed unless the mode is KEYWORD.
        fusion: Of HYBRID.
        filter: Which documents are searched.
        top_k: The most hits, 1 to 100.
        min_score: Hits below it are left out. A score is 0 to 1 and means, in KEYWORD, how much of the question's
            information the chunk covers; in SEMANTIC the cosine; in HYBRID the joined score, which is relative to the
            other hits.
    """

    text: str
    knowledge_base_ids: tuple[UUID, ...]
    mode: SearchMode = SearchMode.HYBRID
    vectors: Mapping[str, Vector] = field(default_factory=dict[str, Vector])
    fusion: FusionOptions = field(default_factory=FusionOptions)
    filter: SearchFilter = field(default_factory=SearchFilter)
    top_k: int = 10
    min_score: float = 0.0


@dataclass(frozen=True, slots=True)
class ScoreParts:
    """Where a score comes from; None and empty where a half of the search did not find the chunk.

    Attributes:
        bm25: The score by words (k1 1.2, b 0.75), with frequencies of words in all bases of the search.
        coverage: The same as a share of what the question's words could reach, 0 to 1.
        cosine: Similarity of the vectors, -1 to 1.
        keyword_part: What `bm25` adds to a hybrid score.
        semantic_part: What `cosine` adds to a hybrid score.
        terms: Words of the question that the chunk has.
    """

    bm25: float | None = None
    coverage: float | None = None
    cosine: float | None = None
    keyword_part: float | None = None
    semantic_part: float | None = None
    terms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SearchHit:
    """A chunk, and how good it is."""

    chunk_id: UUID
    knowledge_base_id: UUID
    document_id: UUID
    version_id: UUID
    score: float
    parts: ScoreParts


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The best chunks first.

    Attributes:
        hits: At most `top_k`.
        terms: The words that were searched for.
        candidates: How many chunks were scored by both halves.
        below_min_score: How many candidates `min_score` left out.
        semantic_weight: Share of the vectors that was used; None unless both halves were joined.
    """

    hits: tuple[SearchHit, ...]
    terms: tuple[str, ...]
    candidates: int
    below_min_score: int
    semantic_weight: float | None = None


@dataclass(frozen=True, slots=True)
class VersionState:
    """What the index has of a version: how many chunks, and whether searches find them."""

    chunk_count: int
    is_live: bool


class VersionNotIndexedError(NotFoundError):
    """The index does not have this version; put it again."""

    code: ClassVar[str] = "VERSION_NOT_INDEXED"


class SearchUnavailableError(UnavailableError):
    """The search index does not answer, refuses the server's credentials, or is lost."""

    code: ClassVar[str] = "SEARCH_UNAVAILABLE"


class SearchIndex(Protocol):
    """Holds what is searched; it can be rebuilt from the chunks at any time. Every method may be repeated."""

    async def check(self) -> None:
        """Check that the index answers.

        Raises:
            UnavailableError: It does not answer.
        """
        ...

    async def put(self, tenant_id: UUID, version: IndexedVersion) -> None:
        """Store a version in place of what the index has of it, all or nothing.

        Searches find it after `switch`, or at once if the same version is what they find already.

        Raises:
            UnavailableError: The index does not answer.
        """
        ...

    async def switch(self, tenant_id: UUID, document_id: UUID, version_id: UUID, *, fence: int) -> None:
        """Let searches find this version of a document, and no other.

        It has no effect after a switch of the same document with a higher `fence`: a process that was stopped for a
        while does not bring an old version back.

        Raises:
            VersionNotIndexedError: It was not put, or was deleted.
            UnavailableError: The index does not answer.
        """
        ...

    async def delete_version(self, tenant_id: UUID, version_id: UUID) -> None:
        """Forget a version.

        Raises:
            UnavailableError: The index does not answer.
        """
        ...

    async def delete_document(self, tenant_id: UUID, document_id: UUID) -> None:
        """Forget all versions of a document.

        Raises:
            UnavailableError: The index does not answer.
        """
        ...

    async def delete_base(self, tenant_id: UUID, knowledge_base_id: UUID) -> None:
        """Forget all documents of a base.

        Raises:
            UnavailableError: The index does not answer.
        """
        ...

    async def states(self, tenant_id: UUID, version_ids: Sequence[UUID]) -> Mapping[UUID, VersionState]:
        """Return what the index has of at most 1,000 versions; those that it does not have are left out.

        Raises:
            UnavailableError: The index does not answer.
        """
        ...

    async def versions(self, tenant_id: UUID, *, after: UUID | None, limit: int) -> Sequence[UUID]:
        """Return at most 1,000 ids of versions that the index has chunks of, in their order, after an id.

        Raises:
            UnavailableError: The index does not answer.
        """
        ...

    async def search(self, tenant_id: UUID, query: SearchQuery) -> SearchResult:
        """Return the best chunks of the versions that were switched to.

        Raises:
            UnavailableError: The index does not answer.
        """
        ...
