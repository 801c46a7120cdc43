import asyncio
from collections.abc import AsyncGenerator, Generator
from hashlib import sha256

import pytest

from nexent_gql.adapters.document_store_memory import MemoryDocumentStore
from nexent_gql.adapters.document_store_redis import KEY, RedisDocumentStore
from nexent_gql.adapters.document_store_two_level import TwoLevelDocumentStore
from nexent_gql.adapters.redis_client import RedisClient, open_redis
from nexent_gql.ports.document_store import DocumentStore
from tests.support.stopwatch import undisturbed
from tests.support.valkey import ValkeyUnderTest, running_valkey


@pytest.fixture(scope="module")
def valkey() -> Generator[ValkeyUnderTest]:
    with running_valkey() as running:
        yield running


@pytest.fixture
async def link(valkey: ValkeyUnderTest) -> AsyncGenerator[RedisClient]:
    async with open_redis(valkey.url) as opened:
        await opened.commands.execute("FLUSHALL")
        yield opened


@pytest.fixture(params=["memory", "redis", "near"])
def texts(request: pytest.FixtureRequest) -> DocumentStore:
    """A hundred bytes of texts."""
    if request.param == "memory":
        return MemoryDocumentStore(100)
    far = RedisDocumentStore(request.getfixturevalue("link").commands, max_bytes=100, ttl_s=60)
    return far if request.param == "redis" else TwoLevelDocumentStore(far, 1)


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


async def keep(texts: DocumentStore, *added: str) -> None:
    for text in added:
        await texts.keep(digest(text), text)
        await asyncio.sleep(0.002)


async def find_all(texts: DocumentStore, *texts_to_find: str) -> list[str | None]:
    return [await texts.find(digest(text)) for text in texts_to_find]


async def test_finds_what_was_kept_and_nothing_else(texts: DocumentStore) -> None:
    await keep(texts, "{ äöü }", "{ b }")
    assert await find_all(texts, "{ äöü }", "{ c }", "{ b }") == ["{ äöü }", None, "{ b }"]


async def test_what_was_not_used_for_longest_makes_room(texts: DocumentStore) -> None:
    a, b, c, d = ("a" * 30, "b" * 30, "c" * 30, "d" * 60)
    await keep(texts, a, b, c)
    assert await find_all(texts, a) == [a]
    await asyncio.sleep(0.002)
    await keep(texts, d)
    assert await find_all(texts, a, b, c, d) == [a, None, None, d]


async def test_keeping_again_takes_no_more_room_and_counts_as_used(texts: DocumentStore) -> None:
    a, b, c = "a" * 45, "b" * 45, "c" * 45
    await keep(texts, a, b, a, a, c)
    assert await find_all(texts, a, b, c) == [a, None, c]


async def test_what_is_larger_than_all_room_is_not_kept(texts: DocumentStore) -> None:
    await keep(texts, "a" * 101)
    assert await find_all(texts, "a" * 101) == [None]
    await keep(texts, "b" * 100)
    assert await find_all(texts, "b" * 100) == ["b" * 100]


async def test_redis_forgets_what_nobody_uses(link: RedisClient) -> None:
    async def check() -> None:
        await link.commands.execute("FLUSHDB")
        texts = RedisDocumentStore(link.commands, max_bytes=100, ttl_s=0.05)
        await keep(texts, "a" * 60)
        await asyncio.sleep(0.06)
        assert await find_all(texts, "a" * 60) == [None]
        await keep(texts, "b" * 60)
        assert await find_all(texts, "b" * 60) == ["b" * 60]
        await asyncio.sleep(0.06)
        assert await link.commands.execute("EXISTS", KEY, f"{KEY}:used", f"{KEY}:bytes") == 0

    await undisturbed(check, pause_s=0.01)


async def test_a_process_goes_on_with_what_it_has_seen() -> None:
    with running_valkey() as valkey:
        async with open_redis(valkey.url) as link:
            far = RedisDocumentStore(link.commands, max_bytes=100, ttl_s=60)
            texts = TwoLevelDocumentStore(far, 100)
            await keep(far, "{ a }")
            assert await find_all(texts, "{ a }") == ["{ a }"]
            await asyncio.to_thread(valkey.kill)
            await keep(texts, "{ b }")
            assert await find_all(texts, "{ a }", "{ b }", "{ c }") == ["{ a }", "{ b }", None]
