"""Vectors are computed once for each tenant, also when several need them at the same time."""

import asyncio
from array import array
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import pytest

from nexent_gql.adapters.embedding_cache import CachedEmbeddingModels
from nexent_gql.adapters.embedding_gateway import EmbeddingGateway
from nexent_gql.adapters.embeddings_local import LocalVectorModels
from nexent_gql.adapters.llm_dialects import open_vector_dialects
from nexent_gql.adapters.redis_client import open_redis
from nexent_gql.adapters.tenant_cache_redis import RedisTenantCache
from nexent_gql.kernel.errors import UnavailableError
from nexent_gql.kernel.ids import new_id
from nexent_gql.ports.embeddings import EmbeddingPurpose, EmbeddingRequest, Embeddings
from nexent_gql.ports.llm import (
    CallAttribution,
    Dialect,
    ModelEndpoint,
    ModelError,
    ModelKind,
    ModelRequestRefusedError,
)
from nexent_gql.ports.llm_routes import ModelRoute
from tests.support.fake_provider import FakeProvider, fake_provider
from tests.support.fake_vectors import Fault, vector_of
from tests.support.llm import plain_client
from tests.support.routing import vector_gateway
from tests.support.valkey import ValkeyUnderTest, running_valkey
from tests.support.waiting import eventually

BYTES_OF_A_VECTOR = 32


@pytest.fixture(scope="module")
def valkey() -> Generator[ValkeyUnderTest]:
    with running_valkey() as running:
        yield running


class LostCache:
    """Implements `TenantCache`: one that does not answer."""

    async def find_many(self, tenant_id: UUID, digests: Sequence[str]) -> Sequence[bytes | None]:
        raise UnavailableError(f"{tenant_id}, {len(digests)}")

    async def store_many(self, tenant_id: UUID, values: Mapping[str, bytes]) -> None:
        raise UnavailableError(f"{tenant_id}, {len(values)}")


@dataclass
class Setting:
    """Cached models over a fake provider."""

    provider: FakeProvider
    gateway: EmbeddingGateway
    models: CachedEmbeddingModels
    endpoint: ModelEndpoint
    attribution: CallAttribution

    async def embed(self, *texts: str, attribution: CallAttribution | None = None) -> Embeddings:
        request = EmbeddingRequest(texts, attribution=attribution or self.attribution)
        result = await self.models.embed(ModelRoute.of(self.endpoint), request)
        assert [[*vector] for vector in result.vectors] == [vector_of(text, 8) for text in texts]
        assert result.dimensions == 8
        return result


def account() -> CallAttribution:
    return CallAttribution(new_id(), new_id(), "INGESTION")


@pytest.fixture
async def setting(valkey: ValkeyUnderTest) -> AsyncGenerator[Setting]:
    async with (
        fake_provider() as provider,
        plain_client() as client,
        LocalVectorModels() as local,
        open_redis(valkey.url) as redis,
    ):
        gateway = vector_gateway(open_vector_dialects(client, local))
        cache = RedisTenantCache(redis.commands, "vectors", max_bytes=10 * BYTES_OF_A_VECTOR, ttl_s=60)
        endpoint = ModelEndpoint(Dialect.OPENAI, "m", provider.base_url, kind=ModelKind.EMBEDDING)
        yield Setting(provider, gateway, CachedEmbeddingModels(gateway, cache), endpoint, account())


async def test_a_text_is_embedded_once(setting: Setting) -> None:
    first = await setting.embed("one", "two", "one")
    second = await setting.embed("two", "three", "one")
    third = await setting.embed("one", "two", "three")
    assert [result.cached_texts for result in (first, second, third)] == [0, 2, 3]
    assert sorted(setting.provider.vectors.texts) == ["one", "three", "two"]
    assert (second.usage.input_tokens, third.usage.input_tokens) == (1, 0)


async def test_tenants_share_nothing(setting: Setting) -> None:
    await setting.embed("one")
    assert (await setting.embed("one", attribution=account())).cached_texts == 0


async def test_what_decides_about_a_vector_is_part_of_its_key(setting: Setting) -> None:
    await setting.embed("one")
    request = EmbeddingRequest(("one",), attribution=setting.attribution)
    for endpoint in (replace(setting.endpoint, model="other"), replace(setting.endpoint, dimensions=4)):
        assert (await setting.models.embed(ModelRoute.of(endpoint), request)).cached_texts == 0
    query = replace(request, purpose=EmbeddingPurpose.QUERY)
    assert (await setting.models.embed(ModelRoute.of(setting.endpoint), query)).cached_texts == 0
    assert (await setting.models.embed(ModelRoute.of(setting.endpoint), request)).cached_texts == 1


async def test_calls_on_nobodys_account_are_not_cached(setting: Setting) -> None:
    for _ in "12":
        await setting.models.embed(ModelRoute.of(setting.endpoint), EmbeddingRequest(("one",)))
    assert setting.provider.vectors.texts == ["one", "one"]


async def test_a_tenant_has_so_many_bytes(setting: Setting) -> None:
    for number in range(15):
        await setting.embed(f"text {number}")
        await setting.embed("text 0")  # in use all the time
        await asyncio.sleep(0.002)
    assert (await setting.embed("text 14", "text 13")).cached_texts == 2
    assert (await setting.embed("text 0")).cached_texts == 1
    assert (await setting.embed("text 1")).cached_texts == 0


async def test_the_same_text_at_the_same_time_is_sent_once(setting: Setting) -> None:
    results = await asyncio.gather(*(setting.embed("same", f"own {number}") for number in range(5)))
    assert len(results) == 5
    assert setting.provider.vectors.texts.count("same") == 1


async def test_who_waited_for_a_call_that_failed_calls_again(setting: Setting) -> None:
    setting.provider.vectors.faults.append(Fault(400, {"error": {"message": "no"}}))
    calls = [asyncio.create_task(setting.embed("same")) for _ in "123"]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(result, ModelError) for result in results) == 1
    assert sum(isinstance(result, Embeddings) for result in results) == 2


async def test_who_waited_for_a_cancelled_call_calls_again(setting: Setting) -> None:
    first = asyncio.create_task(setting.embed("same"))
    await eventually(lambda: bool(setting.provider.state.records) or first.done())
    second = asyncio.create_task(setting.embed("same"))
    first.cancel()
    await asyncio.wait([first])
    assert (await second).dimensions == 8


async def test_without_the_cache_all_is_computed(setting: Setting) -> None:
    setting.models = CachedEmbeddingModels(setting.gateway, LostCache())
    for _ in "12":
        assert (await setting.embed("one")).cached_texts == 0
    assert setting.provider.vectors.texts == ["one", "one"]


async def test_half_a_character_is_refused(setting: Setting) -> None:
    with pytest.raises(ModelRequestRefusedError):
        await setting.models.embed(
            ModelRoute.of(setting.endpoint), EmbeddingRequest(("\ud83d",), attribution=setting.attribution)
        )


async def test_vectors_are_stored_as_they_are(setting: Setting) -> None:
    for _ in "12":
        result = await setting.embed("one")
        assert isinstance(result.vectors[0], array)
        assert result.vectors[0].typecode == "f"
