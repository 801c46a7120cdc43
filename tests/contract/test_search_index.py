"""What every search index does: Postgres, and Elasticsearch with and without a password."""

import asyncio
import math
from array import array
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from nexent_gql.adapters.search_elasticsearch import open_elasticsearch_index
from nexent_gql.adapters.search_postgres import PostgresSearchIndex
from nexent_gql.db.session import Database
from nexent_gql.kernel.ids import new_id
from nexent_gql.ports.embeddings import Vector
from nexent_gql.ports.search_index import (
    IndexedChunk,
    IndexedVersion,
    SearchFilter,
    SearchHit,
    SearchIndex,
    SearchMode,
    SearchQuery,
    VersionNotIndexedError,
    VersionState,
)
from tests.support.elasticsearch import ElasticsearchUnderTest
from tests.support.statements import statements

pytestmark = pytest.mark.timeout(240)  # the first test waits for the node

K1 = 1.2
B = 0.75
SPACE = "toy"
KEYWORD, SEMANTIC, HYBRID = SearchMode.KEYWORD, SearchMode.SEMANTIC, SearchMode.HYBRID


def vector(*values: float) -> Vector:
    return array("f", values)


@dataclass
class Library:
    """One tenant's documents in an index; chunks are told by their texts."""

    index: SearchIndex
    tenant_id: UUID = field(default_factory=new_id)
    base_id: UUID = field(default_factory=new_id)
    texts: dict[UUID, str] = field(default_factory=dict[UUID, str])
    fence: int = 0

    def version(
        self, *texts: str, vectors: Sequence[Vector] = (), document_id: UUID | None = None, base_id: UUID | None = None
    ) -> IndexedVersion:
        """Return a version that is not indexed yet."""
        chunks = [
            IndexedChunk(new_id(), text, vectors[number] if number < len(vectors) else None)
            for number, text in enumerate(texts)
        ]
        self.texts |= {chunk.chunk_id: chunk.text for chunk in chunks}
        ids = base_id or self.base_id, document_id or new_id(), new_id()
        return IndexedVersion(*ids, chunks, space=SPACE if vectors else None)

    async def publish(self, version: IndexedVersion) -> IndexedVersion:
        """Put a version and switch to it."""
        await self.index.put(self.tenant_id, version)
        self.fence += 1
        await self.index.switch(self.tenant_id, version.document_id, version.version_id, fence=self.fence)
        return version

    async def add(self, *texts: str, vectors: Sequence[Vector] = (), base_id: UUID | None = None) -> IndexedVersion:
        """Publish a new document."""
        return await self.publish(self.version(*texts, vectors=vectors, base_id=base_id))

    def query(self, text: str, mode: SearchMode = KEYWORD, near: "Vector | None" = None) -> SearchQuery:
        """Return a query of the library's base."""
        return SearchQuery(text, (self.base_id,), mode, {} if near is None else {SPACE: near})

    async def hits(self, query: SearchQuery) -> Sequence[SearchHit]:
        """Return what is found."""
        return (await self.index.search(self.tenant_id, query)).hits

    async def find(self, query: SearchQuery | str) -> list[str]:
        """Return the texts that are found, best first."""
        query = self.query(query) if isinstance(query, str) else query
        return [self.texts[hit.chunk_id] for hit in await self.hits(query)]


@pytest.fixture(scope="module")
def prefixes(elasticsearch: ElasticsearchUnderTest) -> dict[bool, str]:
    """Names of indexes by whether they need a password; tests differ by their tenants."""
    return {needs_password: elasticsearch.new_prefix(is_open=not needs_password) for needs_password in (True, False)}


@pytest.fixture(params=["postgres", "elasticsearch", "elasticsearch without a password"])
async def library(request: pytest.FixtureRequest, database: Database) -> AsyncGenerator[Library]:
    if request.param == "postgres":
        yield Library(PostgresSearchIndex(database))
        return
    needs_password = request.param == "elasticsearch"
    node: ElasticsearchUnderTest = request.getfixturevalue("elasticsearch")
    prefix = request.getfixturevalue("prefixes")[needs_password]
    async with open_elasticsearch_index(node.options(prefix, has_password=needs_password)) as index:
        yield Library(index)


async def test_words_codes_and_chinese_are_found(library: Library) -> None:
    texts = ["Error AX-3391-B means no disk", "Error AX-3392-B means no power", "知识库检索系统支持中文", "天气很好"]
    await library.add(*texts)
    assert (await library.find("ax-3391-b"))[0] == texts[0]
    assert await library.find("检索") == [texts[2]]
    assert await library.find("天气") == [texts[3]]
    assert await library.find("ＰＯＷＥＲ") == [texts[1]]
    assert await library.find("a sunny day") == []


async def test_the_score_by_words_is_bm25(library: Library) -> None:
    texts = ["red red fish", "blue fish", "a green bird sings in the tree"]
    await library.add(*texts)
    hit, *_ = await library.hits(library.query("red fish moon"))
    lengths = [len(text.split()) for text in texts]
    mean = sum(lengths) / 3

    def idf(chunks: int) -> float:
        return math.log(1 + (3 - chunks + 0.5) / (chunks + 0.5))

    def part(frequency: int) -> float:
        return frequency / (frequency + K1 * (1 - B + B * lengths[0] / mean))

    expected = idf(1) * part(2) + idf(2) * part(1)
    assert hit.parts.bm25 == pytest.approx(expected * (K1 + 1))
    assert hit.parts.coverage == pytest.approx(expected / (idf(1) + idf(2) + idf(0)))
    assert hit.score == hit.parts.coverage
    assert hit.parts.terms == ("fish", "red")


async def test_vectors_are_compared_by_direction(library: Library) -> None:
    vectors = [vector(1, 0, 0), vector(0, 5, 0), vector(0.1, 0.1, 0), vector(0, 0, 0)]
    await library.add("x", "y", "both", "none", vectors=vectors)
    hits = await library.hits(library.query("", SEMANTIC, vector(2, 0, 0)))
    assert [library.texts[hit.chunk_id] for hit in hits] == ["x", "both", "y"]
    assert [hit.score for hit in hits] == pytest.approx([1, math.sqrt(0.5), 0], abs=1e-3)


async def test_a_hybrid_search_finds_what_either_half_finds(library: Library) -> None:
    await library.add("cat", "tiger", "stone", vectors=[vector(0, 1), vector(1, 0), vector(-1, -1)])
    hits = await library.hits(library.query("cat", HYBRID, vector(1, 0)))
    assert {library.texts[hit.chunk_id] for hit in hits[:2]} == {"cat", "tiger"}
    cat = next(hit for hit in hits if library.texts[hit.chunk_id] == "cat")
    assert cat.score == pytest.approx((cat.parts.keyword_part or 0) + (cat.parts.semantic_part or 0))


async def test_documents_without_vectors_are_found_by_words_in_every_mode(library: Library) -> None:
    await library.add("cat")
    assert await library.find(library.query("cat", HYBRID, vector(1, 0))) == ["cat"]
    assert await library.find(library.query("cat", SEMANTIC, vector(1, 0))) == []


async def test_vectors_of_another_model_or_length_are_not_compared(library: Library) -> None:
    version = library.version("old", vectors=[vector(1, 0)])
    await library.publish(replace(version, space="other"))
    await library.add("long", vectors=[vector(1, 0, 0)])
    assert await library.find(library.query("", SEMANTIC, vector(1, 0))) == []
    both = SearchQuery("", (library.base_id,), SEMANTIC, {"other": vector(1, 0), SPACE: vector(0, 1, 1)})
    assert set(await library.find(both)) == {"old", "long"}


async def test_a_version_is_found_from_the_switch_on(library: Library) -> None:
    first = await library.add("old fish")
    second = library.version("new fish", document_id=first.document_id)
    await library.index.put(library.tenant_id, second)
    assert await library.find("fish") == ["old fish"]
    await library.publish(second)
    assert await library.find("fish") == ["new fish"]
    await library.index.switch(library.tenant_id, first.document_id, first.version_id, fence=library.fence)
    assert await library.find("fish") == ["old fish"]


async def test_a_late_switch_does_not_bring_an_old_version_back(library: Library) -> None:
    first = await library.add("old fish")
    second = await library.publish(library.version("new fish", document_id=first.document_id))
    late = library.fence - 1
    await library.index.switch(library.tenant_id, first.document_id, first.version_id, fence=late)
    assert await library.find("fish") == ["new fish"]
    await library.index.delete_version(library.tenant_id, first.version_id)
    await library.index.put(library.tenant_id, first)
    await library.index.switch(library.tenant_id, first.document_id, first.version_id, fence=late)
    assert await library.find("fish") == ["new fish"]
    await library.index.switch(library.tenant_id, second.document_id, second.version_id, fence=library.fence)
    assert await library.find("fish") == ["new fish"]


async def test_putting_a_version_again_replaces_it(library: Library) -> None:
    version = await library.add("old fish", "old bird", vectors=[vector(1, 0), vector(0, 1)])
    again = library.version("new fish", document_id=version.document_id)
    again = replace(again, version_id=version.version_id)
    await library.index.put(library.tenant_id, again)
    assert await library.find("fish bird") == ["new fish"]
    assert await library.find(library.query("", SEMANTIC, vector(1, 0))) == []


async def test_two_writers_of_a_version_leave_one_of_their_contents(library: Library) -> None:
    version = library.version(*(f"fish {number}" for number in range(50)))
    await asyncio.gather(*(library.index.put(library.tenant_id, version) for _ in range(4)))
    await library.publish(version)
    result = await library.index.search(library.tenant_id, replace(library.query("fish"), top_k=100))
    assert sorted(hit.chunk_id for hit in result.hits) == sorted(chunk.chunk_id for chunk in version.chunks)


async def test_vectors_without_a_space_change_nothing(library: Library) -> None:
    version = await library.add("old fish")
    bad = replace(library.version("new fish", vectors=[vector(1)]), space=None, version_id=version.version_id)
    with pytest.raises(ValueError, match="space"):
        await library.index.put(library.tenant_id, bad)
    assert await library.find("fish") == ["old fish"]


async def test_a_version_that_is_not_there_cannot_be_switched_to(library: Library) -> None:
    version = await library.add("fish")
    for document_id, version_id in ((version.document_id, new_id()), (new_id(), version.version_id)):
        with pytest.raises(VersionNotIndexedError):
            await library.index.switch(library.tenant_id, document_id, version_id, fence=9)
    assert await library.find("fish") == ["fish"]


async def test_what_is_deleted_is_not_found(library: Library) -> None:
    one, two, three = [await library.add(f"fish {number}") for number in (1, 2, 3)]
    elsewhere = new_id()
    await library.add("fish 4", base_id=elsewhere)
    index, tenant = library.index, library.tenant_id
    for _ in range(2):
        await index.delete_version(tenant, one.version_id)
        await index.delete_document(tenant, two.document_id)
        assert await library.find("fish") == ["fish 3"]
    for _ in range(2):
        await index.delete_base(tenant, three.knowledge_base_id)
        assert await library.find("fish") == []
    assert await library.find(SearchQuery("fish", (elsewhere,), KEYWORD)) == ["fish 4"]


async def test_a_base_with_many_documents_is_deleted_whole(library: Library) -> None:
    for start in range(0, 120, 12):
        await asyncio.gather(*(library.add(f"fish {number}") for number in range(start, start + 12)))
    await library.index.delete_base(library.tenant_id, library.base_id)
    assert await library.find("fish") == []


async def test_only_the_bases_of_the_query_are_searched(library: Library) -> None:
    elsewhere = new_id()
    await library.add("fish here", vectors=[vector(1, 0)])
    await library.add("fish there", vectors=[vector(1, 0)], base_id=elsewhere)
    for mode in SearchMode:
        assert await library.find(library.query("fish", mode, vector(1, 0))) == ["fish here"]
    both = replace(library.query("fish"), knowledge_base_ids=(library.base_id, elsewhere))
    assert set(await library.find(both)) == {"fish here", "fish there"}


async def test_another_tenant_finds_and_changes_nothing(library: Library) -> None:
    version = await library.add("fish", vectors=[vector(1, 0)])
    other = Library(library.index, base_id=library.base_id)
    for mode in SearchMode:
        assert await other.find(other.query("fish", mode, vector(1, 0))) == []
    with pytest.raises(VersionNotIndexedError):
        await other.index.switch(other.tenant_id, version.document_id, version.version_id, fence=9)
    await other.index.delete_version(other.tenant_id, version.version_id)
    await other.index.delete_document(other.tenant_id, version.document_id)
    await other.index.delete_base(other.tenant_id, version.knowledge_base_id)
    await other.publish(replace(other.version("stone"), version_id=version.version_id))
    assert await library.find("fish") == ["fish"]


async def test_filters_choose_documents_but_not_scores(library: Library) -> None:
    english = await library.publish(replace(library.version("fish"), language="en", media_type="text/html"))
    chinese = await library.publish(replace(library.version("fish 鱼"), language="zh", media_type="text/plain"))
    whole = {hit.document_id: hit.score for hit in await library.hits(library.query("fish"))}
    for filters, document in (
        (SearchFilter(languages=("en",)), english),
        (SearchFilter(languages=("zh", "ja")), chinese),
        (SearchFilter(media_types=("text/html",)), english),
        (SearchFilter(document_ids=(chinese.document_id,)), chinese),
    ):
        hits = await library.hits(replace(library.query("fish"), filter=filters))
        assert [(hit.document_id, hit.score) for hit in hits] == [(document.document_id, whole[document.document_id])]
    both = SearchFilter(document_ids=(chinese.document_id, english.document_id))
    hits = await library.hits(replace(library.query("fish"), filter=both))
    assert {hit.document_id: hit.score for hit in hits} == whole
    for nothing in (
        SearchFilter(languages=("en",), media_types=("text/plain",)),
        SearchFilter(document_ids=()),
        SearchFilter(document_ids=(new_id(),)),
    ):
        assert await library.find(replace(library.query("fish"), filter=nothing)) == [], nothing


async def test_dates_choose_documents(library: Library) -> None:
    days = [datetime(2026, 11, day, tzinfo=UTC) for day in (1, 2, 3)]
    for number, day in enumerate(days):
        await library.publish(replace(library.version(f"fish {number}"), created_at=day))
    await library.add("fish without a date")
    for filters, numbers in (
        (SearchFilter(created_from=days[1]), {1, 2}),
        (SearchFilter(created_before=days[1]), {0}),
        (SearchFilter(created_from=days[1], created_before=days[2]), {1}),
    ):
        texts = await library.find(replace(library.query("fish"), filter=filters))
        assert set(texts) == {f"fish {number}" for number in numbers}


async def test_the_number_of_hits_and_the_least_score_are_kept(library: Library) -> None:
    await library.add("red fish", "fish", "red", "bird")
    assert await library.find(replace(library.query("red fish"), top_k=1)) == ["red fish"]
    result = await library.index.search(library.tenant_id, replace(library.query("red fish"), min_score=0.3))
    assert ([library.texts[hit.chunk_id] for hit in result.hits], result.below_min_score) == (["red fish"], 2)


@pytest.mark.parametrize(
    "text", ["", "   ", "?!", "\x00", "' OR 1=1 --", "a:* & !b", "%_\\", "\ud800", "fish " * 5_000]
)
async def test_any_text_can_be_searched_for(library: Library, text: str) -> None:
    await library.add("fish", vectors=[vector(1, 0)])
    assert await library.find(library.query(text)) == (["fish"] if "fish" in text else [])
    assert await library.find(library.query(text, HYBRID, vector(1, 0))) == ["fish"]


async def test_any_text_can_be_indexed(library: Library) -> None:
    odd = ["", "\x00", "\ud800", "😀", "a" * 100_000, "ﷺ" * 50, "'); --"]
    await library.add(*odd, "fish")
    assert await library.find("fish") == ["fish"]


async def test_an_empty_base_is_searched(library: Library) -> None:
    await library.add()
    for mode in SearchMode:
        assert await library.find(library.query("fish", mode, vector(1, 0))) == []


async def test_the_index_says_what_it_has(library: Library) -> None:
    index, tenant = library.index, library.tenant_id
    live = [await library.add("fish", "bird"), await library.add("stone")]
    waiting = library.version("tree", document_id=live[1].document_id)
    await index.put(tenant, waiting)
    everything = sorted(version.version_id for version in (*live, waiting))
    assert await index.states(tenant, [*everything, new_id()]) == {
        live[0].version_id: VersionState(2, is_live=True),
        live[1].version_id: VersionState(1, is_live=True),
        waiting.version_id: VersionState(1, is_live=False),
    }
    assert list(await index.versions(tenant, after=None, limit=2)) == everything[:2]
    assert list(await index.versions(tenant, after=everything[1], limit=2)) == everything[2:]
    assert await index.states(new_id(), everything) == {}
    assert list(await index.versions(new_id(), after=None, limit=2)) == []


async def test_a_search_in_postgres_is_one_statement(database: Database) -> None:
    library = Library(PostgresSearchIndex(database))
    for number in range(5):
        await library.add(f"fish {number}", vectors=[vector(1, number)])
    with statements(database) as queries:
        await library.hits(library.query("fish", HYBRID, vector(1, 0)))
    assert len([statement for statement in queries if "set_config" not in statement]) == 1
