"""Elasticsearch that is away, refuses, hangs, or has lost its indexes; see test_search_index.py for the rest."""

import asyncio
from collections.abc import AsyncGenerator, Generator, Iterator, Sequence
from dataclasses import replace
from typing import overload

import pytest
import urllib3
from pydantic import SecretStr

from nexent_gql.adapters.search_elasticsearch import (
    ElasticsearchOptions,
    ElasticsearchSearchIndex,
    open_elasticsearch_index,
)
from nexent_gql.kernel.ids import new_id
from nexent_gql.ports.search_index import (
    IndexedChunk,
    IndexedVersion,
    SearchIndex,
    SearchMode,
    SearchQuery,
    SearchUnavailableError,
    VersionState,
)
from tests.support.elasticsearch import ElasticsearchUnderTest
from tests.support.installation import free_port

pytestmark = pytest.mark.timeout(240)  # the first test waits for the node

TENANT, BASE = new_id(), new_id()
FISH = SearchQuery("fish", (BASE,), SearchMode.KEYWORD)


class Interrupted(Exception):  # noqa: N818 - not an error of the index
    """The process ended in the middle."""


class HalfRead(Sequence[IndexedChunk]):
    """Chunks of which only some can be read before the process ends."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count + 1

    @overload
    def __getitem__(self, index: int) -> IndexedChunk: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[IndexedChunk]: ...
    def __getitem__(self, index: int | slice) -> IndexedChunk | Sequence[IndexedChunk]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        if index >= self._count:
            raise Interrupted
        return IndexedChunk(new_id(), f"fish {index}")

    def __iter__(self) -> Iterator[IndexedChunk]:
        return (self[index] for index in range(len(self)))


@pytest.fixture
def options(elasticsearch: ElasticsearchUnderTest) -> Generator[ElasticsearchOptions]:
    """Indexes of the test's own, which are deleted afterwards."""
    options = elasticsearch.options(elasticsearch.new_prefix())
    yield options
    drop_indexes(elasticsearch, options)


@pytest.fixture
async def index(options: ElasticsearchOptions) -> AsyncGenerator[ElasticsearchSearchIndex]:
    async with open_elasticsearch_index(options) as index:
        yield index


def drop_indexes(node: ElasticsearchUnderTest, options: ElasticsearchOptions) -> None:
    headers = urllib3.make_headers(basic_auth=f"{node.user}:{node.password}")
    names = f"{options.prefix}-chunks-1,{options.prefix}-records-1"
    with urllib3.PoolManager(timeout=30, retries=False) as pool:
        answer = pool.request("DELETE", f"{node.url}/{names}?ignore_unavailable=true", headers=headers)
    assert answer.status == 200, answer.data


def version(*texts: str) -> IndexedVersion:
    return IndexedVersion(BASE, new_id(), new_id(), [IndexedChunk(new_id(), text) for text in texts])


async def publish(index: SearchIndex, added: IndexedVersion) -> None:
    await index.put(TENANT, added)
    await index.switch(TENANT, added.document_id, added.version_id, fence=1)


async def count(index: SearchIndex) -> int:
    return len((await index.search(TENANT, FISH)).hits)


async def assert_unavailable(options: ElasticsearchOptions, words: str) -> None:
    """Check that everything says so within its time."""
    added = version("fish")
    async with open_elasticsearch_index(options) as index:
        for request in (
            index.check(),
            index.put(TENANT, added),
            index.switch(TENANT, added.document_id, added.version_id, fence=1),
            index.delete_base(TENANT, BASE),
            index.states(TENANT, [added.version_id]),
            index.search(TENANT, FISH),
        ):
            with pytest.raises(SearchUnavailableError, match=words):
                await request


async def test_a_server_that_is_away_is_unavailable() -> None:
    await assert_unavailable(ElasticsearchOptions(f"http://127.0.0.1:{free_port()}"), "does not answer")


async def test_a_server_that_hangs_is_unavailable_in_time() -> None:
    writers: list[asyncio.StreamWriter] = []

    def accept(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with asyncio.timeout(60):
            await assert_unavailable(ElasticsearchOptions(f"http://127.0.0.1:{port}", timeout_s=0.2), "not answer")
        for writer in writers:
            writer.close()
            await writer.wait_closed()


async def test_a_wrong_password_is_said(options: ElasticsearchOptions) -> None:
    await assert_unavailable(replace(options, password=SecretStr("wrong")), "credentials")
    await assert_unavailable(replace(options, user=None, password=None), "credentials")


async def test_lost_indexes_are_noticed_and_created_again(
    index: ElasticsearchSearchIndex, options: ElasticsearchOptions, elasticsearch: ElasticsearchUnderTest
) -> None:
    added = version("fish")
    await publish(index, added)
    drop_indexes(elasticsearch, options)
    with pytest.raises(SearchUnavailableError, match="lost"):
        await index.search(TENANT, FISH)
    await index.check()
    assert await count(index) == 0
    assert await index.states(TENANT, [added.version_id]) == {}
    drop_indexes(elasticsearch, options)
    await publish(index, added)
    assert await count(index) == 1


async def test_an_interrupted_put_is_not_found_and_leaves_nothing(index: ElasticsearchSearchIndex) -> None:
    added = version("fish 1", "fish 2")
    await publish(index, added)
    with pytest.raises(Interrupted):
        await index.put(TENANT, replace(added, chunks=HalfRead(250)))
    assert await count(index) == 2
    assert await index.states(TENANT, [added.version_id]) != {added.version_id: VersionState(2, is_live=True)}
    await index.put(TENANT, added)
    assert await count(index) == 2
    assert await index.states(TENANT, [added.version_id]) == {added.version_id: VersionState(2, is_live=True)}


async def test_many_chunks_that_are_not_found_hide_none_that_are(index: ElasticsearchSearchIndex) -> None:
    await publish(index, version("a text about many things, and one fish in the middle of all of them"))
    for _ in range(2):
        await index.put(TENANT, version(*["fish"] * 250))
    assert await count(index) == 1
