"""Deletes records and chunks by id, because not every build can delete by a query."""

from collections.abc import Sequence
from uuid import UUID

import orjson

from nexent_gql.adapters.search_elasticsearch.chunks import Put
from nexent_gql.adapters.search_elasticsearch.client import ElasticsearchClient, Item
from nexent_gql.adapters.search_elasticsearch.mappings import Indexes

_BATCH = 1_000


class Deleter:
    """Deletes what belongs to a version, a document or a base: first the records, so that nothing is found any more."""

    def __init__(self, client: ElasticsearchClient, indexes: Indexes) -> None:
        self._client = client
        self._indexes = indexes

    async def delete(self, tenant_id: UUID, field: str, value: UUID) -> None:
        """Delete all records and chunks of a tenant with this value of a field."""
        for index in (self._indexes.records, self._indexes.chunks):
            await self._delete(index, [*_of_tenant(tenant_id), {"term": {field: str(value)}}])

    async def delete_displaced(self, tenant_id: UUID, version_id: UUID, put: Put, *, is_late: bool) -> None:
        """Delete the chunks of earlier puts of a version, or those of `put` if a later one was faster."""
        unwanted: Item = {"term": {"put_id": put.id}} if is_late else {"range": {"put_number": {"lt": put.number}}}
        of_version = {"term": {"version_id": str(version_id)}}
        await self._delete(self._indexes.chunks, [*_of_tenant(tenant_id), of_version, unwanted])

    async def _delete(self, index: str, filters: Sequence[Item]) -> None:
        ids: list[str] = []
        is_complete = False
        while not is_complete:
            await self._client.refresh(index)
            query = {"bool": {"filter": list(filters)}}
            answer = await self._client.search(
                index, {"size": _BATCH, "query": query, "source": False, "sort": ["_doc"], "track_total_hits": False}
            )
            ids = [hit["_id"] for hit in answer["hits"]["hits"]]
            await self._client.bulk(index, [orjson.dumps({"delete": {"_id": id_}}) for id_ in ids])
            is_complete = len(ids) < _BATCH
        if ids:
            await self._client.refresh(index)


def _of_tenant(tenant_id: UUID) -> list[Item]:
    return [{"term": {"tenant_id": str(tenant_id)}}]
