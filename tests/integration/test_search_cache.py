"""Results of searches are cached in Valkey, and never stale."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import pytest

from nexent_gql.adapters.redis_client import open_redis
from nexent_gql.adapters.response_cache_redis import RedisResponseCache
from nexent_gql.adapters.search_postgres import PostgresSearchIndex
from nexent_gql.db.session import Database
from nexent_gql.domains.knowledge.attributes import DocumentAttribute
from nexent_gql.domains.knowledge.conditions import ConditionField, DocumentCondition, MetadataFilter
from nexent_gql.domains.knowledge.editing import ChunkPatch
from nexent_gql.domains.knowledge.errors import KnowledgeBaseNotFoundError
from nexent_gql.domains.knowledge.policy import DocumentPatch, DocumentSource, KnowledgeBaseDraft, KnowledgeBasePatch
from nexent_gql.domains.knowledge.search_cache import SearchCache
from nexent_gql.domains.knowledge.searching import KnowledgeSearch, KnowledgeSearchService, SearchAnswer
from nexent_gql.domains.knowledge.tables import KnowledgeAccess
from nexent_gql.domains.models.tables import ChatModel
from nexent_gql.kernel.clock import utc_now
from nexent_gql.kernel.errors import UnavailableError
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.llm import Dialect, ModelKind
from nexent_gql.ports.response_cache import ResponseCache
from nexent_gql.ports.search_index import SearchFilter, SearchMode, SearchQuery, SearchResult
from tests.support.factory import Factory
from tests.support.fake_provider import fake_provider
from tests.support.fake_vectors import Fault
from tests.support.ingestion import Ingestion, ingestion


class ObservedIndex(PostgresSearchIndex):
    """Counts searches, and lets a test act while one runs, and before a version is switched to."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.searches = 0
        self.during_search: Callable[[], Awaitable[object]] | None = None
        self.before_switch: Callable[[], Awaitable[object]] | None = None

    async def search(self, tenant_id: UUID, query: SearchQuery) -> SearchResult:
        self.searches += 1
        result = await super().search(tenant_id, query)
        if (act := self.during_search) is not None:
            self.during_search = None
            await act()
        return result

    async def switch(self, tenant_id: UUID, document_id: UUID, version_id: UUID, *, fence: int) -> None:
        if (act := self.before_switch) is not None:
            self.before_switch = None
            await act()
        await super().switch(tenant_id, document_id, version_id, fence=fence)


@dataclass
class Site:
    """A base of one user with a document, and searches through the cache."""

    services: Ingestion
    index: ObservedIndex
    cache: ResponseCache
    owner: Principal
    base_id: UUID

    @property
    def searches(self) -> KnowledgeSearchService:
        services = self.services
        cache = SearchCache(self.cache, ttl_s=60)
        return KnowledgeSearchService(services.database, self.index, services.embedder, services.reranker, cache=cache)

    @property
    def question(self) -> KnowledgeSearch:
        return KnowledgeSearch("fish", (self.base_id,))

    async def search(self, search: KnowledgeSearch | None = None, actor: Principal | None = None) -> SearchAnswer:
        return await self.searches.search(actor or self.owner, search or self.question)

    async def texts(self) -> list[str]:
        """Return what is found, first from the index or the cache, then from the cache."""
        first, second = await self.search(), await self.search()
        assert second.is_cached
        assert second.passages == first.passages
        return [passage.chunk.content for passage in second.passages]

    async def add(self, content: str) -> UUID:
        source = DocumentSource(text=content, name="Note")
        row = await self.services.documents.add(self.owner, self.base_id, source)
        await self.services.drain()
        return row.document.id


@pytest.fixture
async def site(database: Database, redis_url: str, tmp_path: Path, make: Factory) -> AsyncGenerator[Site]:
    index = ObservedIndex(database)
    async with open_redis(redis_url) as redis, ingestion(database, tmp_path, index=index) as services:
        cache = RedisResponseCache(redis.commands, utc_now, max_bytes=10**6, name="searches")
        owner = await make.principal()
        draft = KnowledgeBaseDraft("Manuals", access=KnowledgeAccess.TENANT_READ)
        base_id = (await services.bases.create(owner, draft)).id
        yield Site(services, index, cache, owner, base_id)


async def test_a_repeated_search_does_not_ask_the_index(site: Site, make: Factory) -> None:
    await site.add("A red fish.")
    await site.add("A blue fish.")
    first = await site.search()
    again = await site.search()
    assert again == replace(first, is_cached=True)
    assert len(first.passages) == 2
    colleague = await make.principal(beside=site.owner)
    assert (await site.search(actor=colleague)).is_cached
    assert site.index.searches == 1
    for change in (
        {"question": "red"},
        {"top_k": 1},
        {"min_score": 0.9},
        {"mode": SearchMode.KEYWORD, "question": "blue"},
        {"filter": SearchFilter(languages=("en",))},
        {"filter": SearchFilter(created_before=utc_now())},
    ):
        assert not (await site.search(replace(site.question, **change))).is_cached, change
    assert (await site.search(replace(site.question, neighbor_count=1))).is_cached


async def test_changes_are_found_at_once(site: Site) -> None:
    first = await site.add("Old fish.")
    assert await site.texts() == ["Old fish."]
    second = await site.add("Fish number two.")
    assert sorted(await site.texts()) == ["Fish number two.", "Old fish."]
    documents, owner = site.services.documents, site.owner
    await documents.replace(owner, first, DocumentSource(text="New fish.", name="Note"))
    assert "Old fish." in await site.texts()
    await site.services.drain()
    assert sorted(await site.texts()) == ["Fish number two.", "New fish."]
    await documents.delete(owner, second)
    assert await site.texts() == ["New fish."]
    await site.services.drain()
    assert await site.texts() == ["New fish."]
    (passage,) = (await site.search()).passages
    await site.services.editor.update(owner, passage.chunk.id, ChunkPatch(text="An edited fish."))
    assert await site.texts() == ["An edited fish."]
    await site.services.drain()
    assert not (await site.search()).is_cached
    await site.services.editor.update(owner, passage.chunk.id, ChunkPatch(is_enabled=False))
    assert await site.texts() == []
    await site.services.drain()
    assert await site.texts() == []


async def test_a_result_from_before_a_switch_is_not_kept_after_it(site: Site) -> None:
    await site.add("Old fish.")
    site.index.before_switch = site.search
    await site.add("New fish.")
    assert site.index.before_switch is None
    assert sorted(await site.texts()) == ["New fish.", "Old fish."]


async def test_who_loses_access_finds_nothing_and_spoils_nothing(site: Site, make: Factory) -> None:
    await site.add("A secret fish.")
    colleague, stranger = await make.principal(beside=site.owner), await make.principal()
    private = KnowledgeBasePatch(access=KnowledgeAccess.PRIVATE)

    async def hide() -> None:
        await site.services.bases.update(site.owner, site.base_id, private)

    site.index.during_search = hide
    assert (await site.search(actor=colleague)).passages == ()
    assert await site.texts() == ["A secret fish."]
    for actor in (colleague, stranger):
        with pytest.raises(KnowledgeBaseNotFoundError):
            await site.search(actor=actor)


async def test_a_filter_by_attributes_follows_their_change(site: Site) -> None:
    document_id = await site.add("A tagged fish.")
    sea = DocumentCondition(ConditionField.ATTRIBUTE, ("sea",), "tags")
    search = replace(site.question, metadata=MetadataFilter((sea,)))
    for values, count in ((("sea",), 1), (("land",), 0), (("sea", "land"), 1)):
        patch = DocumentPatch(attributes=(DocumentAttribute("tags", values),))
        await site.services.documents.update(site.owner, document_id, patch)
        for _ in range(2):
            answer = await site.search(search)
            assert (len(answer.passages), answer.matching_count) == (count, count)


async def test_an_order_by_a_reranking_model_is_kept_and_its_failure_is_not(site: Site) -> None:
    await site.add("Fish fish fish fish fish.")
    await site.add("A fish that is big and old and swims far away from here.")
    search = replace(site.question, question="fish big old", is_reranked=True)
    assert not (await site.search(search)).is_reranked
    async with fake_provider() as provider:
        row = ChatModel(
            tenant_id=site.owner.tenant_id,
            name="reranker",
            kind=ModelKind.RERANK,
            dialect=Dialect.OPENAI,
            base_url=provider.base_url,
            model_name="reranker",
            is_other_default=True,
            created_by=site.owner.user_id,
        )
        async with site.services.database.transaction(site.owner.tenant_id) as session:
            session.add(row)
        provider.vectors.faults.append(Fault(401, {"error": {"message": "This key is no longer valid."}}))
        failed = await site.search(search)
        assert (failed.is_cached, failed.is_reranked) == (False, False)
        first = await site.search(search)
        assert (first.is_cached, first.is_reranked) == (False, True)
        assert await site.search(search) == replace(first, is_cached=True)


class BrokenCache:
    """Implements `ResponseCache`: one that fails, or returns what nobody stored."""

    def __init__(self, value: bytes | None = None) -> None:
        self._value = value

    async def find(self, tenant_id: UUID, digest: str) -> bytes | None:
        del tenant_id, digest
        if self._value is None:
            raise UnavailableError("The cache does not answer.")
        return self._value

    async def store(self, tenant_id: UUID, digest: str, value: bytes, ttl_s: float) -> None:
        del tenant_id, digest, value, ttl_s
        raise UnavailableError("The cache does not answer.")

    async def acquire(self, tenant_id: UUID, digest: str, owner: str) -> bool:
        del tenant_id, digest, owner
        return True

    async def release(self, tenant_id: UUID, digest: str, owner: str) -> None:
        del tenant_id, digest, owner


@pytest.mark.parametrize("value", [None, b"{", b"{}", b'{"passages": 1}'])
async def test_searches_do_without_the_cache(site: Site, value: bytes | None) -> None:
    await site.add("A fish.")
    broken = replace(site, cache=BrokenCache(value))
    for _ in range(2):
        answer = await broken.search()
        assert (answer.is_cached, len(answer.passages)) == (False, 1)
