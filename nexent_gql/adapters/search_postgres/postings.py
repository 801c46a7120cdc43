"""Turns the texts of a version into rows of the index: pure, for a thread of its own, and a few rows at a time."""

from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from uuid import UUID

from nexent_gql.adapters.search_fusion import normalized
from nexent_gql.db.vectors import vector_text
from nexent_gql.kernel.search import ranking_tokens
from nexent_gql.ports.search_index import IndexedVersion

Row = dict[str, object]
_FIELDS = 3
"""Numbers of a posting for each chunk: ordinal, frequency, length."""


@dataclass(frozen=True, slots=True)
class IndexRows:
    """Rows of the three tables for one version.

    Attributes:
        version: The row of the version.
        chunks: The rows of the chunks.
        postings: The rows of the terms.
    """

    version: Row
    chunks: Iterator[Row]
    postings: Iterator[Row]


def index_rows(tenant_id: UUID, version: IndexedVersion) -> IndexRows:
    """Read the chunks of a version once, and return its rows, for which they are read again.

    Raises:
        ValueError: Vectors have different lengths, or no space.
    """
    key: Row = {"tenant_id": tenant_id, "version_id": version.version_id}
    terms: dict[str, array[int]] = {}
    token_count = 0
    dimensions: set[int] = set()
    for ordinal, chunk in enumerate(version.chunks):
        counts = Counter(ranking_tokens(chunk.text))
        length = counts.total()
        token_count += length
        if chunk.vector is not None:
            dimensions.add(len(chunk.vector))
        for term, frequency in counts.items():
            terms.setdefault(term, array("i")).extend((ordinal, frequency, length))
    if len(dimensions) > 1 or (dimensions and version.space is None):
        raise ValueError("the vectors of a version have one length and the name of their space")
    own: Row = {
        "knowledge_base_id": version.knowledge_base_id,
        "document_id": version.document_id,
        "space": version.space,
        "dimensions": dimensions.pop() if dimensions else None,
        "language": version.language,
        "media_type": version.media_type,
        "created_at": version.created_at,
        "chunk_count": len(version.chunks),
        "token_count": token_count,
    }
    return IndexRows(key | own, _chunk_rows(key, version), _posting_rows(key, version.knowledge_base_id, terms))


def take(rows: Iterator[Row], count: int) -> list[Row]:
    """Return the next rows, at most `count`."""
    return list(islice(rows, count))


def _posting_rows(key: Row, base_id: UUID, terms: "dict[str, array[int]]") -> Iterator[Row]:
    for term, numbers in terms.items():
        yield key | {
            "knowledge_base_id": base_id,
            "term": term,
            "ordinals": numbers[0::_FIELDS].tolist(),
            "frequencies": numbers[1::_FIELDS].tolist(),
            "lengths": numbers[2::_FIELDS].tolist(),
        }


def _chunk_rows(key: Row, version: IndexedVersion) -> Iterator[Row]:
    for ordinal, chunk in enumerate(version.chunks):
        values = None if chunk.vector is None else normalized(chunk.vector)
        embedding = None if values is None else vector_text(values)
        yield key | {"ordinal": ordinal, "chunk_id": chunk.chunk_id, "embedding": embedding}
