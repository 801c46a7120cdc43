"""Records that say what searches find.

A version's record names the put whose chunks are the version's, a document's record the version that is found. Both are
changed atomically and read as they are now, so that a switch or a deletion is seen at once and as a whole, whatever the
state of the chunks.
"""

import asyncio
import random
from collections.abc import Callable, Iterable
from uuid import UUID

from nexent_gql.adapters.search_elasticsearch.client import ElasticsearchClient, Item, WriteConflictError
from nexent_gql.adapters.search_elasticsearch.mappings import Indexes
from nexent_gql.ports.search_index import SearchUnavailableError

_ATTEMPTS = 20
_PAUSE_S = 0.02


class Records:
    """Reads and changes records."""

    def __init__(self, client: ElasticsearchClient, indexes: Indexes) -> None:
        self._client = client
        self._indexes = indexes

    async def read(self, *ids: str) -> list[Item | None]:
        """Return records as they are now; None for one that does not exist."""
        documents = await self._client.read_many(self._indexes.records, list(dict.fromkeys(ids)))
        return [documents[id_]["_source"] if id_ in documents else None for id_ in ids]

    async def change(self, id_: str, change: Callable[[Item | None], Item | None]) -> Item | None:
        """Replace a record by what `change` makes of it, or leave it if that is None; return the earlier one."""
        for attempt in range(_ATTEMPTS):
            entry = (await self._client.read_many(self._indexes.records, [id_])).get(id_)
            earlier = entry["_source"] if entry else None
            later = change(earlier)
            if later is None:
                return earlier
            try:
                await self._client.write(self._indexes.records, id_, later, entry)
            except WriteConflictError:
                await asyncio.sleep(_PAUSE_S * attempt * random.random())  # noqa: S311 - spreads writers
            else:
                return earlier
        raise SearchUnavailableError("Too many writers change the same document. Try again in a moment.")

    async def visible_puts(self, tenant_id: UUID, places: Iterable[tuple[str, str]]) -> set[str]:
        """Return the ids of the puts that searches find, among those of these documents and versions."""
        pairs = list(dict.fromkeys(places))
        records = await self.read(
            *(document_key(tenant_id, document_id) for document_id, _ in pairs),
            *(version_key(tenant_id, version_id) for _, version_id in pairs),
        )
        documents, versions = records[: len(pairs)], records[len(pairs) :]
        return {
            version["put_id"]
            for document, version in zip(documents, versions, strict=True)
            if document and version and "put_id" in version and document["live_version_id"] == version["version_id"]
        }


def version_key(tenant_id: UUID, version_id: object) -> str:
    """Return the id of a version's record."""
    return f"{tenant_id}:version:{version_id}"


def document_key(tenant_id: UUID, document_id: object) -> str:
    """Return the id of a document's record."""
    return f"{tenant_id}:document:{document_id}"
