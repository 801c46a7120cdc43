"""Trying again, and checking endpoints, against a real server."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import cast

import pytest
from pydantic import SecretStr

from nexent_gql.adapters.llm_capacity import MemoryCapacity
from nexent_gql.adapters.llm_gateway import LanguageModelGateway
from nexent_gql.adapters.llm_http.limits import StreamLimits
from nexent_gql.adapters.llm_offline import OfflineModels
from nexent_gql.adapters.llm_openai import OpenAIModels
from nexent_gql.adapters.llm_router import ModelRouter, RetryPolicy
from nexent_gql.ports.llm import (
    ChatChunk,
    ChatRequest,
    Dialect,
    ModelCheck,
    ModelEndpoint,
    ModelError,
    ModelKeyRefusedError,
    ModelOverloadedError,
    ModelProtocolError,
    ModelRateLimitedError,
    ModelStreamBrokenError,
    ModelTimeoutError,
    ModelUnreachableError,
    TextChunk,
)
from nexent_gql.ports.llm_routes import ModelRoute
from tests.support import fake_provider as fake
from tests.support.fake_provider import FakeProvider, Step, Text, fake_provider
from tests.support.llm import ask, collect, endpoint_of, plain_client
from tests.support.stopwatch import Stopwatch, undisturbed
from tests.support.waiting import eventually

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Gate:
    """A gateway behind a router that notes how long it waits instead of waiting."""

    def __init__(self, models: OpenAIModels, check_s: float = 15) -> None:
        self.waited_s: list[float] = []
        self.gateway = LanguageModelGateway({Dialect.OPENAI: models}, check_s=check_s)
        self._router = ModelRouter(self.gateway, MemoryCapacity(clock=self._now), sleep=self._sleep)

    def _now(self) -> float:
        return time.monotonic() + sum(self.waited_s)

    def stream(self, endpoint: ModelEndpoint, request: ChatRequest) -> AsyncGenerator[ChatChunk]:
        """Call a single model, as a run does."""
        return cast("AsyncGenerator[ChatChunk]", self._router.stream(ModelRoute.of(endpoint), request))

    async def _sleep(self, seconds: float) -> None:
        self.waited_s.append(seconds)


@pytest.fixture
async def provider() -> AsyncGenerator[FakeProvider]:
    async with fake_provider() as provider:
        yield provider


@pytest.fixture
async def gate() -> AsyncGenerator[Gate]:
    """A gateway whose time limits no pause of this process reaches."""
    async with plain_client() as client:
        yield Gate(OpenAIModels(client))


@pytest.fixture
async def quick_gate() -> AsyncGenerator[Gate]:
    """A gateway that soon gives up."""
    async with plain_client() as client:
        yield Gate(OpenAIModels(client, StreamLimits(first_byte_s=1, idle_s=1)), check_s=3)


@pytest.mark.parametrize(
    "step",
    [
        fake.Status(429, times=2),
        fake.Status(503, times=2),
        fake.Drop(times=2),
        fake.ErrorFrame("overloaded", times=2),
    ],
)
async def test_tries_again_before_the_first_token(step: Step, provider: FakeProvider, gate: Gate) -> None:
    provider.script("m", [step, Text("at last")])
    reply = await collect(gate.stream(endpoint_of(provider), ask()))
    assert reply.error is None
    assert reply.text == "at last"
    first_s, second_s = gate.waited_s
    assert 0.25 <= first_s <= 0.5
    assert 0.5 <= second_s <= 1
    assert len(provider.requests) == 3


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (fake.Status(429), ModelRateLimitedError),
        (fake.Status(503), ModelOverloadedError),
        (fake.Drop(), ModelStreamBrokenError),
    ],
)
async def test_gives_up_after_three_calls(
    step: Step, kind: type[ModelError], provider: FakeProvider, gate: Gate
) -> None:
    provider.script("m", [step])
    reply = await collect(gate.stream(endpoint_of(provider), ask()))
    assert type(reply.failure) is kind
    assert reply.failure.details["tries"] == 3
    assert len(provider.requests) == 3


async def test_a_model_that_may_be_loading_is_not_asked_again(provider: FakeProvider, quick_gate: Gate) -> None:
    provider.script("m", [fake.Stall()])
    reply = await collect(quick_gate.stream(endpoint_of(provider), ask()))
    assert type(reply.failure) is ModelTimeoutError
    assert len(provider.requests) == 1


@pytest.mark.parametrize(
    "steps",
    [[Text("ab"), fake.Drop()], [Text("ab"), fake.Stall()], [fake.Reasoning("hm"), fake.ErrorFrame("overloaded")]],
)
async def test_never_tries_again_after_the_first_token(
    steps: list[Step], provider: FakeProvider, gate: Gate, quick_gate: Gate
) -> None:
    provider.script("m", steps)
    subject = quick_gate if fake.Stall() in steps else gate
    reply = await collect(subject.stream(endpoint_of(provider), ask()))
    assert reply.failure.details["tries"] == 1
    assert len(provider.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 422])
async def test_never_tries_again_what_will_not_change(status: int, provider: FakeProvider, gate: Gate) -> None:
    provider.script("m", [fake.Status(status)])
    assert not (await collect(gate.stream(endpoint_of(provider), ask()))).failure.retryable
    assert len(provider.requests) == 1


async def test_waits_as_long_as_the_provider_asks(provider: FakeProvider, gate: Gate) -> None:
    provider.script("m", [fake.Status(429, retry_after="20", times=1), Text("ok")])
    assert (await collect(gate.stream(endpoint_of(provider), ask()))).text == "ok"
    assert gate.waited_s == [20]


async def test_does_not_wait_longer_than_is_bearable(provider: FakeProvider, gate: Gate) -> None:
    provider.script("m", [fake.Status(429, retry_after="21", times=1), Text("ok")])
    reply = await collect(gate.stream(endpoint_of(provider), ask()))
    assert type(reply.failure) is ModelRateLimitedError
    assert reply.failure.details["retry_after_s"] == 21
    assert gate.waited_s == []


async def test_a_kept_connection_that_the_server_closed_is_no_error(provider: FakeProvider, gate: Gate) -> None:
    for _ in range(2):
        assert (await collect(gate.stream(endpoint_of(provider), ask()))).error is None
        provider.connections[-1].close()
        await asyncio.sleep(0.02)


async def test_closing_while_it_waits_ends_the_wait(provider: FakeProvider) -> None:
    provider.script("m", [fake.Status(429, retry_after="15")])
    async with plain_client() as client:
        router = ModelRouter(LanguageModelGateway({Dialect.OPENAI: OpenAIModels(client)}), MemoryCapacity())
        stream = router.stream(ModelRoute.of(endpoint_of(provider)), ask())
        reader = asyncio.create_task(collect(cast("AsyncGenerator[ChatChunk]", stream)))
        await provider.wait_for()
        await asyncio.sleep(0.05)
        watch = Stopwatch()
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
    assert watch.elapsed_s() < 0.2


async def test_an_unknown_dialect_is_refused(provider: FakeProvider) -> None:
    reply = await collect(LanguageModelGateway({}).stream(endpoint_of(provider), ask()))
    assert type(reply.failure) is ModelProtocolError


@pytest.mark.parametrize(
    ("tries", "error", "attempt", "wait_s"),
    [
        (3, ModelOverloadedError("x"), 3, None),
        (1, ModelOverloadedError("x"), 1, None),
        (3, ModelKeyRefusedError("x"), 1, None),
        (3, ModelRateLimitedError("x", retry_after_s=0.0), 1, 0.0),
        (9, ModelUnreachableError("x"), 8, 20),
    ],
)
def test_the_waits_of_a_policy(tries: int, error: ModelError, attempt: int, wait_s: float | None) -> None:
    waited_s = RetryPolicy(rounds=tries).wait_s(error, attempt)
    if wait_s == 20:
        assert waited_s is not None
        assert 10 <= waited_s <= 20
    else:
        assert waited_s == wait_s


class TestCheck:
    async def test_a_model_that_answers(self, provider: FakeProvider, gate: Gate) -> None:
        watch = Stopwatch()
        check = await gate.gateway.check(endpoint_of(provider))
        assert (check.ok, check.code, check.advice, check.details) == (True, None, None, {})
        assert 0 <= check.latency_ms < 1_000 + watch.starved_s() * 1_000
        assert provider.requests[0].body["max_tokens"] == 16

    async def test_ends_with_the_first_token(self, provider: FakeProvider, gate: Gate) -> None:
        provider.script("m", [Text("OK"), fake.Stall()])
        assert (await gate.gateway.check(endpoint_of(provider))).ok
        await eventually(lambda: provider.requests[0].client_closed_at is not None)

    async def test_a_model_that_wants_the_newer_parameter(self, provider: FakeProvider, gate: Gate) -> None:
        provider.script("m", [fake.Refuse("max_tokens"), Text("OK")])
        assert (await gate.gateway.check(endpoint_of(provider))).ok

    @pytest.mark.parametrize(
        ("steps", "code", "cause", "word"),
        [
            ([fake.Status(401)], "MODEL_KEY_REFUSED", None, "key"),
            ([fake.Status(404, "The model `m` does not exist", "model_not_found")], "MODEL_NOT_FOUND", None, "name"),
            ([fake.Status(402)], "MODEL_QUOTA_EXHAUSTED", None, "credit"),
            ([fake.Status(429)], "MODEL_RATE_LIMITED", None, "Wait"),
            ([fake.Status(500)], "MODEL_OVERLOADED", None, "again"),
            ([fake.Status(200, body="<html>", content_type="text/html")], "MODEL_PROTOCOL_ERROR", "WEB_PAGE", "/v1"),
            ([fake.Status(301)], "MODEL_PROTOCOL_ERROR", "REDIRECT", "redirects"),
            ([fake.Stall()], "MODEL_TIMEOUT", "FIRST_BYTE", "in time"),
            ([fake.Drop()], "MODEL_STREAM_BROKEN", None, "again"),
        ],
    )
    async def test_what_a_server_says(
        self,
        steps: list[Step],
        code: str,
        cause: str | None,
        word: str,
        provider: FakeProvider,
        gate: Gate,
        quick_gate: Gate,
    ) -> None:
        provider.script("m", steps)
        subject = quick_gate if cause == "FIRST_BYTE" else gate
        check = await subject.gateway.check(endpoint_of(provider))
        assert not check.ok
        assert check.code == code
        assert check.details.get("cause") == cause
        assert word in (check.advice or "")
        assert len(provider.requests) == 1

    async def test_its_own_time_limit(self, provider: FakeProvider) -> None:
        provider.script("m", [fake.Stall()])
        async with plain_client() as client:
            check = await Gate(OpenAIModels(client), check_s=0.2).gateway.check(endpoint_of(provider))
        assert (check.code, check.details["cause"]) == ("MODEL_TIMEOUT", "CHECK")

    async def test_a_missing_v1(self, provider: FakeProvider, gate: Gate) -> None:
        endpoint = ModelEndpoint(Dialect.OPENAI, "m", provider.base_url.removesuffix("/v1"))
        check = await gate.gateway.check(endpoint)
        assert (check.code, check.details["cause"]) == ("MODEL_NOT_FOUND", "PATH")
        assert "/v1" in (check.advice or "")

    async def test_a_wrong_key(self, gate: Gate) -> None:
        async with fake_provider(key="right") as provider:
            check = await gate.gateway.check(endpoint_of(provider, key="wrong-key"))
        assert check.code == "MODEL_KEY_REFUSED"
        assert "wrong-key" not in repr(check)

    @pytest.mark.parametrize(
        ("base_url", "code", "cause"),
        [
            ("http://127.0.0.1:1024/v1", "MODEL_UNREACHABLE", "CONNECTION_REFUSED"),
            ("http://no-such-host.invalid/v1", "MODEL_UNREACHABLE", "DNS"),
            (f"http://{'a' * 70}.example/v1", "MODEL_UNREACHABLE", "DNS"),
            ("", "MODEL_ADDRESS_REFUSED", "INVALID_URL"),
            ("api.example.com/v1", "MODEL_ADDRESS_REFUSED", "INVALID_URL"),
            ("ftp://127.0.0.1/v1", "MODEL_ADDRESS_REFUSED", "INVALID_URL"),
            ("http://exa mple/v1", "MODEL_UNREACHABLE", "DNS"),
            ("http://[::1/v1", "MODEL_ADDRESS_REFUSED", "INVALID_URL"),
            ("http://user:pass@127.0.0.1/v1", "MODEL_ADDRESS_REFUSED", "ADDRESS_NOT_ALLOWED"),
            ("http://169.254.169.254/v1", "MODEL_ADDRESS_REFUSED", "ADDRESS_NOT_ALLOWED"),
        ],
    )
    async def test_addresses_that_lead_nowhere(self, base_url: str, code: str, cause: str, gate: Gate) -> None:
        check = await gate.gateway.check(ModelEndpoint(Dialect.OPENAI, "m", base_url, SecretStr("k")))
        assert (check.ok, check.code, check.details["cause"]) == (False, code, cause)
        assert (check.advice or "").endswith(".")

    async def test_a_server_that_is_none(self, gate: Gate) -> None:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(10_000)
            writer.write(b"220 mail.example.com ESMTP\r\n\r\n")
            await writer.drain()
            writer.close()

        check = await check_server(gate, talk)
        assert (check.code, check.details["cause"]) == ("MODEL_PROTOCOL_ERROR", "NOT_HTTP")

    async def test_a_server_that_hangs_up(self, gate: Gate) -> None:
        async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        check = await check_server(gate, hang_up)
        assert (check.code, check.details["cause"]) == ("MODEL_UNREACHABLE", "CLOSED")

    async def test_https_to_a_server_without_encryption(self, gate: Gate) -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1_000)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            writer.close()

        check = await check_server(gate, answer, scheme="https")
        assert (check.code, check.details["cause"]) == ("MODEL_UNREACHABLE", "TLS")
        assert "http://" in (check.advice or "")

    async def test_the_offline_model(self) -> None:
        gateway = LanguageModelGateway({Dialect.OFFLINE: OfflineModels()})
        assert (await gateway.check(ModelEndpoint(Dialect.OFFLINE, "offline"))).ok


async def check_server(gate: Gate, handler: Handler, scheme: str = "http") -> ModelCheck:
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        return await gate.gateway.check(ModelEndpoint(Dialect.OPENAI, "m", f"{scheme}://127.0.0.1:{port}/v1"))


async def test_the_gateway_passes_chunks_on_as_they_come(provider: FakeProvider, gate: Gate) -> None:
    async def check() -> None:
        provider.script("m", [Text("first "), fake.Stall(0.1), Text("second")])
        seen_at = [
            (chunk.text, time.monotonic())
            async for chunk in gate.gateway.stream(endpoint_of(provider), ask())
            if isinstance(chunk, TextChunk)
        ]
        (first, first_at), (second, second_at) = seen_at
        assert (first, second) == ("first ", "second")
        assert second_at - first_at > 0.08

    await undisturbed(check, pause_s=0.01)
