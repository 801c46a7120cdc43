"""What the index has, for comparisons with the database."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from nexent_gql.adapters.search_elasticsearch.client import ElasticsearchClient
from nexent_gql.adapters.search_elasticsearch.mappings import Indexes
from nexent_gql.adapters.search_elasticsearch.records import Records, document_key, version_key
from nexent_gql.ports.search_index import VersionState


class Inventory:
    """Counts chunks by version, and compares them with the records."""

    def __init__(self, client: ElasticsearchClient, indexes: Indexes, records: Records) -> None:
        self._client = client
        self._indexes = indexes
        self._records = records

    async def states(self, tenant_id: UUID, version_ids: Sequence[UUID]) -> Mapping[UUID, VersionState]:
        """See `SearchIndex`. Chunks of unfinished puts count too, so that such a version is put again."""
        counts = await self._counts(tenant_id, version_ids)
        versions = await self._records.read(*(version_key(tenant_id, version_id) for version_id in version_ids))
        pairs = [(id_, row) for id_, row in zip(version_ids, versions, strict=True) if row and "put_id" in row]
        documents = await self._records.read(*(document_key(tenant_id, row["document_id"]) for _, row in pairs))
        return {
            version_id: VersionState(
                counts.get(str(version_id), 0),
                is_live=document is not None and document["live_version_id"] == str(version_id),
            )
            for (version_id, _), document in zip(pairs, documents, strict=True)
        }

    async def versions(self, tenant_id: UUID, after: UUID | None, limit: int) -> Sequence[UUID]:
        pages: dict[str, object] = {"size": limit, "sources": [{"id": {"terms": {"field": "version_id"}}}]}
        if after is not None:
            pages["after"] = {"id": str(after)}
        await self._client.refresh(self._indexes.chunks)
        query = {"bool": {"filter": [{"term": {"tenant_id": str(tenant_id)}}]}}
        body = {"size": 0, "query": query, "aggs": {"versions": {"composite": pages}}}
        answer = await self._client.search(self._indexes.chunks, body)
        return [UUID(bucket["key"]["id"]) for bucket in answer["aggregations"]["versions"]["buckets"]]

    async def _counts(self, tenant_id: UUID, version_ids: Sequence[UUID]) -> Mapping[str, int]:
        ids = [str(version_id) for version_id in version_ids]
        await self._client.refresh(self._indexes.chunks)
        query = {"bool": {"filter": [{"term": {"tenant_id": str(tenant_id)}}, {"terms": {"version_id": ids}}]}}
        counts = {"terms": {"field": "version_id", "size": max(len(ids), 1)}}
        answer = await self._client.search(
            self._indexes.chunks, {"size": 0, "query": query, "aggs": {"counts": counts}}
        )
        return {bucket["key"]: bucket["doc_count"] for bucket in answer["aggregations"]["counts"]["buckets"]}
