"""Turns the texts of a version into rows of the index: pure, for a thread of its own."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

from nexent_gql.adapters.search_fusion import normalized
from nexent_gql.db.vectors import vector_text
from nexent_gql.kernel.search import ranking_tokens
from nexent_gql.ports.search_index import IndexedVersion

Row = dict[str, object]


@dataclass(slots=True)
class _Posting:
    ordinals: list[int] = field(default_factory=list[int])
    frequencies: list[int] = field(default_factory=list[int])
    lengths: list[int] = field(default_factory=list[int])


@dataclass(frozen=True, slots=True)
class IndexRows:
    """Rows of the three tables for one version."""

    version: Row
    chunks: list[Row]
    postings: list[Row]


def index_rows(tenant_id: UUID, version: IndexedVersion) -> IndexRows:
    """Return all rows of a version.

    Raises:
        ValueError: Vectors have different lengths, or no space.
    """
    key: Row = {"tenant_id": tenant_id, "version_id": version.version_id}
    terms: dict[str, _Posting] = {}
    token_count = 0
    for ordinal, chunk in enumerate(version.chunks):
        counts = Counter(ranking_tokens(chunk.text))
        length = counts.total()
        token_count += length
        for term, frequency in counts.items():
            posting = terms.setdefault(term, _Posting())
            posting.ordinals.append(ordinal)
            posting.frequencies.append(frequency)
            posting.lengths.append(length)
    own: Row = {
        "knowledge_base_id": version.knowledge_base_id,
        "document_id": version.document_id,
        "space": version.space,
        "dimensions": _dimensions(version),
        "language": version.language,
        "media_type": version.media_type,
        "created_at": version.created_at,
        "chunk_count": len(version.chunks),
        "token_count": token_count,
    }
    postings = [_posting_row(key, version.knowledge_base_id, term, posting) for term, posting in terms.items()]
    return IndexRows(key | own, list(_chunk_rows(key, version)), postings)


def _posting_row(key: Row, base_id: UUID, term: str, posting: _Posting) -> Row:
    return key | {
        "knowledge_base_id": base_id,
        "term": term,
        "ordinals": posting.ordinals,
        "frequencies": posting.frequencies,
        "lengths": posting.lengths,
    }


def _chunk_rows(key: Row, version: IndexedVersion) -> Iterator[Row]:
    for ordinal, chunk in enumerate(version.chunks):
        values = None if chunk.vector is None else normalized(chunk.vector)
        embedding = None if values is None else vector_text(values)
        yield key | {"ordinal": ordinal, "chunk_id": chunk.chunk_id, "embedding": embedding}


def _dimensions(version: IndexedVersion) -> int | None:
    lengths = {len(chunk.vector) for chunk in version.chunks if chunk.vector is not None}
    if len(lengths) > 1 or (lengths and version.space is None):
        raise ValueError("the vectors of a version have one length and the name of their space")
    return next(iter(lengths), None)
