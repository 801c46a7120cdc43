"""Turns the chunks of a version into lines of bulk requests: pure, for a thread of its own."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from uuid import UUID

import orjson

from nexent_gql.adapters.search_fusion import normalized
from nexent_gql.kernel.search import ranking_tokens
from nexent_gql.ports.search_index import IndexedChunk, IndexedVersion

_BATCH = 100
_DECIMALS = 7


@dataclass(frozen=True, slots=True)
class Put:
    """One attempt to store a version; of two, the one with the larger number stays."""

    number: int
    id: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Lines of one bulk request."""

    lines: list[bytes]
    dimensions: int | None


def batches(tenant_id: UUID, version: IndexedVersion, put: Put) -> Iterator[Batch]:
    """Yield all chunks of a version.

    Raises:
        ValueError: Vectors have different lengths, or no space.
    """
    common = _common(tenant_id, version, put)
    chunks = iter(version.chunks)
    start, dimensions = 0, None
    while batch := list(islice(chunks, _BATCH)):
        dimensions = _dimensions(batch, version.space, dimensions)
        lines: list[bytes] = []
        for ordinal, chunk in enumerate(batch, start):
            lines += [
                orjson.dumps({"index": {"_id": f"{tenant_id}:{put.id}:{ordinal}"}}),
                orjson.dumps(common | _own(chunk)),
            ]
        start += len(batch)
        yield Batch(lines, dimensions)


def _common(tenant_id: UUID, version: IndexedVersion, put: Put) -> dict[str, object]:
    fields = {
        "tenant_id": str(tenant_id),
        "knowledge_base_id": str(version.knowledge_base_id),
        "document_id": str(version.document_id),
        "version_id": str(version.version_id),
        "put_id": put.id,
        "put_number": put.number,
        "space": version.space,
        "language": version.language,
        "media_type": version.media_type,
        "created_us": None if version.created_at is None else int(version.created_at.timestamp() * 1_000_000),
    }
    return {name: value for name, value in fields.items() if value is not None}


def _own(chunk: IndexedChunk) -> dict[str, object]:
    tokens = list(ranking_tokens(chunk.text))
    fields: dict[str, object] = {
        "chunk_id": str(chunk.chunk_id),
        "tokens": " ".join(tokens),
        "length": len(tokens),
    }
    values = None if chunk.vector is None else normalized(chunk.vector)
    if values is not None:
        fields[f"vector_{len(values)}"] = [round(value, _DECIMALS) for value in values]
    return fields


def _dimensions(chunks: list[IndexedChunk], space: str | None, earlier: int | None) -> int | None:
    lengths = {len(chunk.vector) for chunk in chunks if chunk.vector is not None}
    if earlier is not None:
        lengths.add(earlier)
    if len(lengths) > 1 or (lengths and space is None):
        raise ValueError("the vectors of a version have one length and the name of their space")
    return next(iter(lengths), None)
