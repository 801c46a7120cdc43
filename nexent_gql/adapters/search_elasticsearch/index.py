"""The search index in Elasticsearch."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar
from uuid import UUID, uuid4

from nexent_gql.adapters.search_elasticsearch import requests
from nexent_gql.adapters.search_elasticsearch.chunks import Put, batches
from nexent_gql.adapters.search_elasticsearch.client import (
    ElasticsearchClient,
    ElasticsearchOptions,
    IndexMissingError,
    Item,
)
from nexent_gql.adapters.search_elasticsearch.deletion import Deleter
from nexent_gql.adapters.search_elasticsearch.inventory import Inventory
from nexent_gql.adapters.search_elasticsearch.mappings import Indexes
from nexent_gql.adapters.search_elasticsearch.records import Records, document_key, version_key
from nexent_gql.adapters.search_elasticsearch.scoring import Statistics, candidates
from nexent_gql.adapters.search_fusion import normalized, query_tokens, rank
from nexent_gql.ports.search_index import (
    IndexedVersion,
    SearchMode,
    SearchQuery,
    SearchResult,
    SearchUnavailableError,
    VersionNotIndexedError,
    VersionState,
)

T = TypeVar("T")
_ROUNDS = 3
_STATISTICS, _WORDS = 0, 1
_LOST = "The search index is lost and is being built again. Try again later."


class ElasticsearchSearchIndex:
    """Implements the port `SearchIndex`: words and vectors in Elasticsearch, scores and fusion here.

    Args:
        client: Sends the requests.
        options: Names and sizes of the indexes.
    """

    def __init__(self, client: ElasticsearchClient, options: ElasticsearchOptions) -> None:
        self._client = client
        self._indexes = Indexes(client, options.prefix, options.shards)
        self._records = Records(client, self._indexes)
        self._inventory = Inventory(client, self._indexes, self._records)
        self._deleter = Deleter(client, self._indexes)

    async def check(self) -> None:
        status = await self._client.status()
        if status == "red":
            raise SearchUnavailableError("Elasticsearch has the status red.")
        if await self._indexes.missing():
            self._indexes.clear()
            await self._indexes.ensure()

    async def put(self, tenant_id: UUID, version: IndexedVersion) -> None:
        await self._with_indexes(lambda: self._put(tenant_id, version))

    async def switch(self, tenant_id: UUID, document_id: UUID, version_id: UUID, *, fence: int) -> None:
        await self._with_indexes(lambda: self._switch(tenant_id, document_id, version_id, fence))

    async def delete_version(self, tenant_id: UUID, version_id: UUID) -> None:
        await self._with_indexes(lambda: self._deleter.delete(tenant_id, "version_id", version_id))

    async def delete_document(self, tenant_id: UUID, document_id: UUID) -> None:
        await self._with_indexes(lambda: self._deleter.delete(tenant_id, "document_id", document_id))

    async def delete_base(self, tenant_id: UUID, knowledge_base_id: UUID) -> None:
        await self._with_indexes(lambda: self._deleter.delete(tenant_id, "knowledge_base_id", knowledge_base_id))

    async def states(self, tenant_id: UUID, version_ids: Sequence[UUID]) -> Mapping[UUID, VersionState]:
        return await self._with_indexes(lambda: self._inventory.states(tenant_id, version_ids))

    async def versions(self, tenant_id: UUID, *, after: UUID | None, limit: int) -> Sequence[UUID]:
        return await self._with_indexes(lambda: self._inventory.versions(tenant_id, after, limit))

    async def search(self, tenant_id: UUID, query: SearchQuery) -> SearchResult:
        terms = () if query.mode is SearchMode.SEMANTIC else query_tokens(query.text)
        vectors = {} if query.mode is SearchMode.KEYWORD else _unit_vectors(query)
        if not terms and not vectors:
            return rank(query, terms, [])
        await self._indexes.ensure()
        try:
            answers = await self._visible_hits(tenant_id, query, terms, vectors)
        except IndexMissingError:
            self._indexes.clear()
            raise SearchUnavailableError(_LOST) from None
        statistics = Statistics.read(answers[_STATISTICS], terms) if terms else None
        by_words: list[Item] = answers[_WORDS]["hits"]["hits"] if terms else []
        nearest = {
            space: answer["hits"]["hits"]
            for space, answer in zip(vectors, answers[_WORDS + 1 if terms else 0 :], strict=True)
        }
        return rank(query, terms, await asyncio.to_thread(candidates, statistics, by_words, nearest))

    async def _visible_hits(
        self, tenant_id: UUID, query: SearchQuery, terms: Sequence[str], vectors: Mapping[str, Sequence[float]]
    ) -> Sequence[Item]:
        """Search, and again without those hits that are not to be found: of old, unfinished and deleted versions."""
        hidden: set[str] = set()
        answers: list[Item] = []
        for _ in range(_ROUNDS):
            answers = list(
                await self._client.search_many(self._indexes.chunks, _bodies(tenant_id, query, terms, vectors, hidden))
            )
            sources = [hit["_source"] for answer in answers for hit in answer["hits"]["hits"]]
            places = ((source["document_id"], source["version_id"]) for source in sources)
            visible = await self._records.visible_puts(tenant_id, places)
            invisible = {source["put_id"] for source in sources} - visible
            if not invisible:
                break
            hidden |= invisible
            for answer in answers:
                hits = answer["hits"]
                hits["hits"] = [hit for hit in hits["hits"] if hit["_source"]["put_id"] in visible]
        return answers

    async def _put(self, tenant_id: UUID, version: IndexedVersion) -> None:
        key = version_key(tenant_id, version.version_id)
        put = await self._reserve(key, tenant_id, version)
        await self._write_chunks(tenant_id, version, put)

        def stored(current: Item | None) -> Item | None:
            if current is not None and current["put_number"] > put.number:
                return None
            record = current or _empty_record(tenant_id, version, put.number)
            return record | {"put_id": put.id, "put_number": put.number}

        earlier = await self._records.change(key, stored)
        is_late = earlier is not None and earlier["put_number"] > put.number
        if is_late or put.number > 1:
            await self._deleter.delete_displaced(tenant_id, version.version_id, put, is_late=is_late)

    async def _reserve(self, key: str, tenant_id: UUID, version: IndexedVersion) -> Put:
        """Return a put whose number no other put of the version has or had."""

        def reserved(current: Item | None) -> Item:
            record = current or _empty_record(tenant_id, version, 0)
            return record | {"attempts": record["attempts"] + 1}

        earlier = await self._records.change(key, reserved)
        return Put(earlier["attempts"] + 1 if earlier else 1, uuid4().hex)

    async def _write_chunks(self, tenant_id: UUID, version: IndexedVersion, put: Put) -> None:
        source = batches(tenant_id, version, put)
        while (batch := await asyncio.to_thread(next, source, None)) is not None:
            if batch.dimensions is not None:
                await self._indexes.ensure_vectors(batch.dimensions)
            await self._client.bulk(self._indexes.chunks, batch.lines)
        await self._client.refresh(self._indexes.chunks)

    async def _switch(self, tenant_id: UUID, document_id: UUID, version_id: UUID, fence: int) -> None:
        [version] = await self._records.read(version_key(tenant_id, version_id))
        is_there = version is not None and "put_id" in version and version["document_id"] == str(document_id)

        def switched(current: Item | None) -> Item | None:
            if current is not None and current["fence"] > fence:
                return None
            if version is None or not is_there:
                raise VersionNotIndexedError("The search index does not have this version.", id=str(version_id))
            return {
                "kind": "document",
                "tenant_id": str(tenant_id),
                "knowledge_base_id": version["knowledge_base_id"],
                "document_id": str(document_id),
                "live_version_id": str(version_id),
                "fence": fence,
            }

        await self._records.change(document_key(tenant_id, document_id), switched)

    async def _with_indexes(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do what may be repeated, and once more with new indexes if they are lost."""
        await self._indexes.ensure()
        try:
            return await work()
        except IndexMissingError:
            self._indexes.clear()
            await self._indexes.ensure()
        try:
            return await work()
        except IndexMissingError:
            raise SearchUnavailableError(_LOST) from None


@asynccontextmanager
async def open_elasticsearch_index(options: ElasticsearchOptions) -> AsyncGenerator[ElasticsearchSearchIndex]:
    """Open connections when they are needed, and close them at the end."""
    client = ElasticsearchClient(options)
    try:
        yield ElasticsearchSearchIndex(client, options)
    finally:
        await client.close()


def _bodies(
    tenant_id: UUID,
    query: SearchQuery,
    terms: Sequence[str],
    vectors: Mapping[str, Sequence[float]],
    hidden: set[str],
) -> list[Item]:
    bodies: list[Item] = []
    if terms:
        bodies.append(requests.statistics(tenant_id, query, terms, hidden))
        bodies.append(requests.by_words(tenant_id, query, terms, hidden))
    for space, values in vectors.items():
        bodies.append(requests.by_vector(tenant_id, query, (space, f"vector_{len(values)}", values), hidden))
    return bodies


def _unit_vectors(query: SearchQuery) -> dict[str, Sequence[float]]:
    units = {space: normalized(vector) for space, vector in query.vectors.items()}
    return {space: values for space, values in units.items() if values is not None}


def _empty_record(tenant_id: UUID, version: IndexedVersion, attempts: int) -> Item:
    """Return the record of a version that was not put yet."""
    return {
        "kind": "version",
        "tenant_id": str(tenant_id),
        "knowledge_base_id": str(version.knowledge_base_id),
        "document_id": str(version.document_id),
        "version_id": str(version.version_id),
        "put_number": 0,
        "attempts": attempts,
    }
