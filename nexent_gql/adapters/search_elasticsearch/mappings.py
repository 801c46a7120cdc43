"""The two indexes: chunks, and records of versions and documents that say which chunks are found.

`tokens` holds words of our tokenizer, so Elasticsearch only splits at spaces. The version of the layout is part of
the names of the indexes: an index with another mapping is built beside the old one.
"""

from typing import Any

from nexent_gql.adapters.search_elasticsearch.client import ElasticsearchClient, IndexMissingError

_LAYOUT = 1
_KEYWORD = {"type": "keyword"}
_PLAIN_NUMBER = {"type": "long", "index": False}
_CHUNK_FIELDS: dict[str, Any] = {
    "tenant_id": _KEYWORD,
    "knowledge_base_id": _KEYWORD,
    "document_id": _KEYWORD,
    "version_id": _KEYWORD,
    "put_id": _KEYWORD,
    "put_number": {"type": "long"},
    "chunk_id": {"type": "keyword", "index": False, "doc_values": False},
    "space": _KEYWORD,
    "language": _KEYWORD,
    "media_type": _KEYWORD,
    "created_us": {"type": "long"},
    "length": _PLAIN_NUMBER,
    "tokens": {"type": "text", "analyzer": "whitespace", "index_options": "freqs"},
}
_RECORD_FIELDS: dict[str, Any] = {
    "kind": _KEYWORD,
    "tenant_id": _KEYWORD,
    "knowledge_base_id": _KEYWORD,
    "document_id": _KEYWORD,
    "version_id": _KEYWORD,
    "live_version_id": {"type": "keyword", "index": False},
    "put_id": {"type": "keyword", "index": False},
    "put_number": _PLAIN_NUMBER,
    "attempts": _PLAIN_NUMBER,
    "fence": _PLAIN_NUMBER,
}


class Indexes:
    """Creates the indexes, and again when they are lost."""

    def __init__(self, client: ElasticsearchClient, prefix: str, shards: int) -> None:
        self._client = client
        self._shards = shards
        self.chunks = f"{prefix}-chunks"
        self.records = f"{prefix}-records"
        self._is_created = False
        self._dimensions: set[int] = set()

    async def ensure(self) -> None:
        """Create what does not exist."""
        if self._is_created:
            return
        settings = {"auto_expand_replicas": "0-1", "refresh_interval": "30s"}
        chunks = {"dynamic": "strict", "_source": {"excludes": ["vector_*"]}, "properties": _CHUNK_FIELDS}
        await self._create(self.chunks, settings | {"number_of_shards": self._shards}, chunks)
        await self._create(self.records, settings, {"dynamic": "strict", "properties": _RECORD_FIELDS})
        self._is_created = True

    async def ensure_vectors(self, dimensions: int) -> str:
        """Return the name of the field for vectors of this length, which is created if it does not exist."""
        name = f"vector_{dimensions}"
        if dimensions not in self._dimensions:
            graph = {"type": "hnsw"}  # not quantized, so that scores are those of the vectors themselves
            field = {"type": "dense_vector", "dims": dimensions, "similarity": "cosine", "index_options": graph}
            await self._client.add_field(self.chunks, name, field)
            self._dimensions.add(dimensions)
        return name

    def clear(self) -> None:
        """Look again next time, because an index is lost."""
        self._is_created = False
        self._dimensions.clear()

    async def missing(self) -> bool:
        """Whether an index does not exist."""
        return not (await self._client.exists(self.chunks) and await self._client.exists(self.records))

    async def _create(self, alias: str, settings: dict[str, Any], mappings: dict[str, Any]) -> None:
        if not await self._client.exists(alias):
            await self._client.create(f"{alias}-{_LAYOUT}", alias, settings, mappings)


__all__ = ["IndexMissingError", "Indexes"]
