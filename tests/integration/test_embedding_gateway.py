"""Embedding and reranking models over HTTP: what providers accept, and what they get wrong."""

import asyncio
import math
from base64 import b64encode
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest
from pydantic import SecretStr

from nexent_gql.adapters.embedding_gateway import EmbeddingGateway
from nexent_gql.adapters.embeddings_local import LocalVectorModels
from nexent_gql.adapters.llm_capacity import MemoryCapacity
from nexent_gql.adapters.llm_dialects import open_vector_dialects
from nexent_gql.adapters.llm_router.retries import RetryPolicy
from nexent_gql.ports.embeddings import EmbeddingPurpose, EmbeddingRequest
from nexent_gql.ports.llm import (
    Dialect,
    ModelDeadlines,
    ModelEndpoint,
    ModelError,
    ModelKeyRefusedError,
    ModelKind,
    ModelOverloadedError,
    ModelProfile,
    ModelProtocolError,
    ModelRateLimitedError,
    ModelRequestRefusedError,
    ModelTimeoutError,
    ModelUnreachableError,
)
from nexent_gql.ports.llm_routes import ModelRoute
from nexent_gql.ports.rerank import RerankRequest
from tests.support.fake_provider import FakeProvider, fake_provider
from tests.support.fake_vectors import Fault, vector_of
from tests.support.llm import plain_client
from tests.support.routing import vector_gateway

TEXTS = ("the quick fox", "a lazy dog", "two of them")


class Setting:
    """A gateway over a fake provider; pauses between tries are noted, not made."""

    def __init__(self, provider: FakeProvider, gateway: EmbeddingGateway, pauses_s: list[float]) -> None:
        self.provider = provider
        self.vectors = provider.vectors
        self.gateway = gateway
        self.pauses_s = pauses_s
        self.endpoint = ModelEndpoint(Dialect.OPENAI, "m", provider.base_url, kind=ModelKind.EMBEDDING)

    async def fail(self, error: type[ModelError], *texts: str) -> ModelError:
        with pytest.raises(error) as failure:
            await self.gateway.embed(ModelRoute.of(self.endpoint), EmbeddingRequest(texts or TEXTS))
        return failure.value


@pytest.fixture
async def setting() -> AsyncGenerator[Setting]:
    pauses_s: list[float] = []
    capacity = MemoryCapacity(clock=lambda: 1_000 + sum(pauses_s))

    async def pause(wait_s: float) -> None:
        pauses_s.append(wait_s)

    async with fake_provider() as provider, plain_client() as client, LocalVectorModels() as local:
        gateway = vector_gateway(
            open_vector_dialects(client, local), retry=RetryPolicy(rounds=3), sleep=pause, capacity=capacity
        )
        yield Setting(provider, gateway, pauses_s)


@pytest.mark.parametrize("refused", [set[str](), {"encoding_format"}])
async def test_vectors_come_in_the_order_of_the_texts(setting: Setting, refused: set[str]) -> None:
    setting.vectors.refused = refused
    for _ in "12":  # the second time, what was refused is not sent
        result = await setting.gateway.embed(ModelRoute.of(setting.endpoint), EmbeddingRequest(TEXTS))
        assert [[*vector] for vector in result.vectors] == [vector_of(text, 8) for text in TEXTS]
        assert (result.dimensions, result.model) == (8, "m")
        assert (result.usage.input_tokens, result.is_estimated) == (9, False)
    assert len(setting.provider.requests_to("/embeddings")) == 2 + len(refused)


async def test_tokens_are_estimated_where_the_provider_counts_none(setting: Setting) -> None:
    setting.vectors.has_usage = False
    result = await setting.gateway.embed(ModelRoute.of(setting.endpoint), EmbeddingRequest(TEXTS))
    assert result.is_estimated
    assert result.usage.input_tokens > 0


async def test_a_length_of_vectors_is_asked_for_and_required(setting: Setting) -> None:
    short = replace(setting.endpoint, dimensions=4)
    assert (await setting.gateway.embed(ModelRoute.of(short), EmbeddingRequest(TEXTS))).dimensions == 4
    setting.vectors.refused = {"dimensions"}
    with pytest.raises(ModelProtocolError) as failure:
        await setting.gateway.embed(ModelRoute.of(short), EmbeddingRequest(TEXTS))
    assert failure.value.details["cause"] == "DIMENSIONS"


async def test_many_texts_go_in_batches_that_the_provider_accepts(setting: Setting) -> None:
    setting.vectors.max_batch = 10
    texts = tuple(f"text number {number}" for number in range(100))
    for _ in "12":
        result = await setting.gateway.embed(ModelRoute.of(setting.endpoint), EmbeddingRequest(texts))
        assert [[*vector] for vector in result.vectors] == [vector_of(text, 8) for text in texts]
        assert result.usage.input_tokens == 300
    sizes = [len(record.body["input"]) for record in setting.provider.requests_to("/embeddings")]  # pyright: ignore[reportArgumentType]
    assert max(sizes[len(sizes) // 2 :]) <= 32
    limited = replace(setting.endpoint, model="other", profile=ModelProfile(batch_size=10))
    await setting.gateway.embed(ModelRoute.of(limited), EmbeddingRequest(texts))
    assert len(setting.provider.requests_to("/embeddings")) == len(sizes) + 10


async def test_a_batch_is_limited_by_tokens_too(setting: Setting) -> None:
    texts = ("word " * 20_000,) * 4  # each is a good third of a batch
    await setting.gateway.embed(ModelRoute.of(setting.endpoint), EmbeddingRequest(texts))
    assert len(setting.provider.requests_to("/embeddings")) == 2


async def test_what_one_text_makes_fail_fails_with_the_provider_words(setting: Setting) -> None:
    setting.vectors.max_batch = 0
    error = await setting.fail(ModelRequestRefusedError)
    assert error.provider_message == "batch size is invalid, it should not be larger than 0."


@pytest.mark.parametrize("texts", [(), ("",), ("fine", " \n"), ("x",) * 2_049])
async def test_a_request_without_sense_is_refused_before_it_is_sent(setting: Setting, texts: tuple[str, ...]) -> None:
    with pytest.raises(ModelRequestRefusedError):
        await setting.gateway.embed(ModelRoute.of(setting.endpoint), EmbeddingRequest(texts))
    assert setting.provider.state.records == []


def entry(embedding: object, index: object = 0) -> dict[str, object]:
    return {"index": index, "embedding": embedding}


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"<html>Bad gateway</html>",
        "a sentence",
        {},
        {"data": []},
        {"data": [entry([1.0])]},
        {"data": [entry([1.0]), entry([1.0])]},
        {"data": [entry([1.0]), entry([1.0], 2)]},
        {"data": [entry([1.0]), entry([1.0], "1")]},
        {"data": [entry([1.0]), {"embedding": [1.0]}]},
        {"data": [entry([1.0]), entry([1.0, 2.0], 1)]},
        {"data": [entry([1.0]), entry([], 1)]},
        {"data": [entry([1.0]), entry([0.0], 1)]},
        {"data": [entry([1.0]), entry([None], 1)]},
        {"data": [entry([1.0]), entry(["1"], 1)]},
        {"data": [entry([1.0]), entry(None, 1)]},
        {"data": [entry([1.0]), entry("?", 1)]},
        {"data": [entry([1.0]), entry("AAA=", 1)]},
        {"data": [entry([1.0]), entry([1e39], 1)]},
        b'{"data": [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [NaN]}]}',
        {"data": [entry([1.0]), entry(b64encode(b"\x00\x00\xc0\x7f").decode(), 1)]},
    ],
)
async def test_a_reply_that_cannot_be_used_is_a_protocol_error(setting: Setting, body: object) -> None:
    setting.vectors.faults.append(Fault(200, body))
    await setting.fail(ModelProtocolError, "one", "two")


async def test_a_reply_without_indexes_is_in_order(setting: Setting) -> None:
    setting.vectors.faults.append(Fault(200, {"data": [{"embedding": [1.0]}, {"embedding": [2.0]}]}))
    result = await setting.gateway.embed(ModelRoute.of(setting.endpoint), EmbeddingRequest(("one", "two")))
    assert [vector[0] for vector in result.vectors] == [1.0, 2.0]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(500, {"error": {"message": "oops"}}), ModelOverloadedError),
        (Fault(429, {"error": {"message": "slow down"}}), ModelRateLimitedError),
        (Fault(0), ModelUnreachableError),
    ],
)
async def test_what_may_pass_is_tried_again(setting: Setting, fault: Fault, error: type[ModelError]) -> None:
    setting.vectors.faults += [fault, fault]
    result = await setting.gateway.embed(ModelRoute.of(setting.endpoint), EmbeddingRequest(TEXTS))
    assert len(result.vectors) == 3
    setting.vectors.faults += [fault] * 3
    assert (await setting.fail(error)).details["tries"] == 3
    assert len(setting.pauses_s) == 4


async def test_a_wait_that_the_provider_names_is_kept(setting: Setting) -> None:
    setting.vectors.faults.append(Fault(429, {"error": {"message": "slow down"}}, {"retry-after": "7"}))
    await setting.gateway.embed(ModelRoute.of(setting.endpoint), EmbeddingRequest(TEXTS))
    assert setting.pauses_s == [7]


async def test_a_refused_key_is_not_tried_again_and_not_shown(setting: Setting) -> None:
    setting.provider.key = "sk-right-key-0123456789"
    setting.endpoint = replace(setting.endpoint, api_key=SecretStr("sk-wrong-key-0123456789"))
    error = await setting.fail(ModelKeyRefusedError)
    assert setting.pauses_s == []
    assert "sk-wrong" not in repr(error.details) + error.message
    setting.endpoint = replace(setting.endpoint, api_key=SecretStr("sk-right-key-0123456789"))
    assert (await setting.gateway.embed(ModelRoute.of(setting.endpoint), EmbeddingRequest(TEXTS))).dimensions == 8


async def test_a_silent_server_is_left_at_the_models_time_limit(setting: Setting) -> None:
    async def stay_silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _reader.read()
        writer.close()

    async with await asyncio.start_server(stay_silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        silent = replace(
            setting.endpoint, base_url=f"http://127.0.0.1:{port}/v1", deadlines=ModelDeadlines(first_byte_s=0.2)
        )
        with pytest.raises(ModelTimeoutError) as failure:
            await setting.gateway.embed(ModelRoute.of(silent), EmbeddingRequest(TEXTS))
    assert failure.value.details["cause"] == "FIRST_BYTE"


@pytest.mark.parametrize(
    ("model", "query", "passage"),
    [
        ("text-embedding-3-small", "hi", "hi"),
        ("intfloat/multilingual-e5-large", "query: hi", "passage: hi"),
        ("nomic-embed-text:latest", "search_query: hi", "search_document: hi"),
    ],
)
async def test_texts_are_sent_as_the_model_was_trained(setting: Setting, model: str, query: str, passage: str) -> None:
    endpoint = replace(setting.endpoint, model=model)
    for purpose in (EmbeddingPurpose.QUERY, EmbeddingPurpose.PASSAGE):
        await setting.gateway.embed(ModelRoute.of(endpoint), EmbeddingRequest(("hi",), purpose))
    assert setting.vectors.texts == [query, passage]


async def test_scores_come_in_the_order_of_the_passages(setting: Setting) -> None:
    endpoint = replace(setting.endpoint, kind=ModelKind.RERANK)
    result = await setting.gateway.rerank(ModelRoute.of(endpoint), RerankRequest("lazy dog", TEXTS))
    assert result.scores == (0.0, 1.0, 0.0)
    assert result.usage.input_tokens == 9
    setting.vectors.refused = {"top_n", "return_documents"}
    assert (await setting.gateway.rerank(ModelRoute.of(endpoint), RerankRequest("quick dog", TEXTS))).scores == (
        0.5,
        0.5,
        0.0,
    )


@pytest.mark.parametrize(
    "results",
    [
        [],
        [{"index": 0, "relevance_score": 1}],
        [{"index": 0, "relevance_score": 1}, {"index": 0, "relevance_score": 1}],
        [{"index": 0, "relevance_score": 1}, {"index": 1, "relevance_score": None}],
        [{"index": 0, "relevance_score": 1}, {"index": 1, "relevance_score": True}],
        [{"index": 0, "relevance_score": 1}, {"index": 1}],
        [{"relevance_score": 1}, {"relevance_score": 0.5}],
        ["one", "two"],
    ],
)
async def test_scores_that_cannot_be_used_are_a_protocol_error(setting: Setting, results: list[object]) -> None:
    setting.vectors.faults.append(Fault(200, {"results": results}))
    with pytest.raises(ModelProtocolError):
        await setting.gateway.rerank(ModelRoute.of(setting.endpoint), RerankRequest("q", ("one", "two")))


async def test_scores_of_other_spellings_are_read(setting: Setting) -> None:
    for results in ([{"index": 1, "score": 2}, {"index": 0, "score": -1}],):
        setting.vectors.faults.append(Fault(200, results))
        assert (
            await setting.gateway.rerank(ModelRoute.of(setting.endpoint), RerankRequest("q", ("one", "two")))
        ).scores == (-1, 2)


async def test_a_dialect_without_embeddings_says_so(setting: Setting) -> None:
    setting.endpoint = replace(setting.endpoint, dialect=Dialect.ANTHROPIC)
    assert (await setting.fail(ModelProtocolError)).details["cause"] == "DIALECT"


async def test_finite_vectors_have_finite_sums() -> None:
    assert math.isfinite(sum([3.4e38] * 16_000))  # of 32-bit floats, in 64 bits
