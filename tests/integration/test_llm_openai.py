"""The OpenAI adapter against a real server that misbehaves: every fault has its error, and sockets close at once."""

import asyncio
import logging
import time
import traceback
from collections.abc import AsyncGenerator

import pytest

from nexent_gql.adapters.llm_http.limits import StreamLimits
from nexent_gql.adapters.llm_openai import OpenAIModels
from nexent_gql.ports.llm import (
    ChatMessage,
    ChatRequest,
    Dialect,
    Finished,
    ModelEndpoint,
    ModelError,
    ModelKeyRefusedError,
    ModelOverloadedError,
    ModelProtocolError,
    ModelRateLimitedError,
    ModelRequestRefusedError,
    ModelStreamBrokenError,
    ModelTimeoutError,
    ModelUnreachableError,
    TextChunk,
    ToolCall,
    Usage,
)
from tests.support import fake_provider as fake
from tests.support.fake_provider import FakeProvider, Step, Text, fake_provider
from tests.support.llm import CALCULATOR, ask, collect, endpoint_of, plain_client
from tests.support.stopwatch import Stopwatch, undisturbed
from tests.support.waiting import eventually

CANARY = "kanarienvogel-4711"
QUICK = StreamLimits(
    first_byte_s=0.3,
    first_content_s=0.9,
    idle_s=0.3,
    total_s=1,
    unsettled_s=0.3,
    tail_s=0.2,
    stop_tail_s=0.2,
    max_answer_chars=10_000,
)


@pytest.fixture
async def provider() -> AsyncGenerator[FakeProvider]:
    async with fake_provider() as provider:
        yield provider


@pytest.fixture
async def models() -> AsyncGenerator[OpenAIModels]:
    """Models whose time limits no pause of this process reaches."""
    limits = StreamLimits(max_answer_chars=QUICK.max_answer_chars)
    async with plain_client() as client:
        yield OpenAIModels(client, limits)


@pytest.fixture
async def quick_models() -> AsyncGenerator[OpenAIModels]:
    """Models that soon give up."""
    async with plain_client() as client:
        yield OpenAIModels(client, QUICK)


async def test_the_request_on_the_wire(provider: FakeProvider, models: OpenAIModels) -> None:
    request = ChatRequest(
        messages=(
            ChatMessage.from_text("system", "Be brief."),
            ChatMessage.from_text("user", "1+1?"),
            ChatMessage.from_text("assistant", "", (ToolCall("c1", "calculator", '{"expression":"1+1"}'),)),
            ChatMessage.from_text("tool", "2", tool_call_id="c1"),
        ),
        tools=(CALCULATOR,),
        tool_choice="required",
        stop=("END",),
        max_output_tokens=50,
        temperature=0,
    )
    provider.script("m", [Text("unused")], [Text("2")])
    reply = await collect(models.stream(endpoint_of(provider, key="secret"), request))
    (record,) = provider.requests
    assert reply.text == "2"
    assert record.headers["authorization"] == "Bearer secret"
    assert record.headers["accept-encoding"] == "identity"
    assert record.body == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "1+1?"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "c1",
                        "type": "function",
                        "function": {"name": "calculator", "arguments": '{"expression":"1+1"}'},
                    }
                ],
            },
            {"role": "tool", "content": "2", "tool_call_id": "c1"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "calculator",
                    "description": CALCULATOR.description,
                    "parameters": CALCULATOR.parameters,
                },
            }
        ],
        "tool_choice": "required",
        "stop": ["END"],
        "max_tokens": 50,
        "temperature": 0,
    }


async def test_no_key_sends_no_authorization(provider: FakeProvider, models: OpenAIModels) -> None:
    await collect(models.stream(endpoint_of(provider), ask()))
    assert "authorization" not in provider.requests[0].headers


@pytest.mark.parametrize("ending", ["", "/", "/chat/completions", "/chat/completions/"])
async def test_base_urls_as_people_copy_them(ending: str, provider: FakeProvider, models: OpenAIModels) -> None:
    endpoint = ModelEndpoint(Dialect.OPENAI, "m", f" {provider.base_url}{ending} ")
    assert (await collect(models.stream(endpoint, ask()))).text == "You said: Hi"


async def test_a_connection_is_used_again(provider: FakeProvider, models: OpenAIModels) -> None:
    for _ in range(5):
        await collect(models.stream(endpoint_of(provider), ask()))
    assert len(provider.connections) == 1


FAULTS: dict[str, tuple[list[Step], type[ModelError], str | None]] = {
    "reset in mid-answer": ([Text("ab"), fake.Drop()], ModelStreamBrokenError, None),
    "closed in mid-answer": ([Text("ab"), fake.Drop("close")], ModelStreamBrokenError, None),
    "ended without an end": ([Text("ab"), fake.Finish(None, done=False)], ModelStreamBrokenError, None),
    "silent before the answer": ([fake.Stall()], ModelTimeoutError, "FIRST_BYTE"),
    "slow head": ([fake.Headers(delay_s=5)], ModelTimeoutError, "FIRST_BYTE"),
    "only comments": (
        [fake.Raw(": wait\n\n"), fake.Stall(0.2), fake.Raw(": wait\n\n"), fake.Stall()],
        ModelTimeoutError,
        "FIRST_BYTE",
    ),
    "silent in mid-answer": ([Text("ab"), fake.Stall()], ModelTimeoutError, "IDLE"),
    "endless": ([Text(tokens=500, tokens_per_s=50)], ModelTimeoutError, "TOTAL"),
    "error frame": ([Text("ab"), fake.ErrorFrame("backend died")], ModelStreamBrokenError, None),
    "overloaded frame": ([Text("ab"), fake.ErrorFrame("overloaded", code=503)], ModelOverloadedError, None),
    "web page": ([fake.Status(200, body="<!doctype html>", content_type="text/html")], ModelProtocolError, "WEB_PAGE"),
    "web page called json": ([fake.Status(200, body="<!doctype html>")], ModelProtocolError, "WEB_PAGE"),
    "other json": ([fake.Status(200, body='{"hello": "world"}')], ModelProtocolError, "BAD_FRAME"),
    "cut json": ([fake.Status(200, body='{"choices": [')], ModelProtocolError, "BAD_FRAME"),
    "plain text": (
        [fake.Status(200, body="hello", content_type="text/plain")],
        ModelProtocolError,
        "NOT_AN_EVENT_STREAM",
    ),
    "plain lines": (
        [fake.Status(200, body="hello\nyou\n", content_type="text/plain")],
        ModelProtocolError,
        "NOT_AN_EVENT_STREAM",
    ),
    "nothing": ([fake.Status(200, body="")], ModelStreamBrokenError, None),
    "garbage": (
        [fake.Raw(latin1="\xff\xfe\x00\x01garbage\n\n"), fake.Finish(None, done=False)],
        ModelStreamBrokenError,
        None,
    ),
    "a reset behind text with a finish reason": (
        [fake.Raw('data: {"choices":[{"delta":{"content":"ab"},"finish_reason":"stop"}]}\n\n'), fake.Drop()],
        ModelStreamBrokenError,
        None,
    ),
    "garbage in a frame": ([fake.Raw('data: {"choices": [}\n\n')], ModelProtocolError, "BAD_FRAME"),
    "cut frame": (
        [Text("ab"), fake.Usage(never=True), fake.Raw('data: {"choices": [{"del'), fake.Finish(None, done=False)],
        ModelStreamBrokenError,
        None,
    ),
    "endless line": ([fake.Raw("data: " + "x" * 1_100_000)], ModelProtocolError, "EVENT_TOO_LONG"),
    "huge answer": ([Text("x" * 20_000, whole=True)], ModelProtocolError, "ANSWER_TOO_LARGE"),
    "compressed": ([fake.Headers(headers={"content-encoding": "gzip"}), Text("x")], ModelProtocolError, "ENCODING"),
    "redirect": ([fake.Status(307, headers={"location": "http://127.0.0.1:1/v1"})], ModelProtocolError, "REDIRECT"),
    "rate limit": ([fake.Status(429, retry_after="7")], ModelRateLimitedError, None),
    "server error": ([fake.Status(500, body="<html>oops</html>")], ModelOverloadedError, None),
    "bad request": ([fake.Status(400, "no images here")], ModelRequestRefusedError, None),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_every_fault_has_its_error(
    name: str, provider: FakeProvider, models: OpenAIModels, quick_models: OpenAIModels
) -> None:
    steps, kind, cause = FAULTS[name]
    provider.script("m", steps)

    async def check() -> None:
        subject = quick_models if kind is ModelTimeoutError else models
        reply = await collect(subject.stream(endpoint_of(provider), ask()))
        assert type(reply.failure) is kind
        assert reply.failure.details.get("cause") == cause
        assert reply.failure.message.endswith(".")
        assert not any(isinstance(chunk, Finished) for chunk in reply.chunks)
        if steps[0] == Text("ab"):
            assert reply.text == "ab"

    await undisturbed(check, pause_s=0.1)


async def test_details_of_a_rate_limit(provider: FakeProvider, models: OpenAIModels) -> None:
    provider.script("m", [fake.Status(429, "slow down", retry_after="7")])
    reply = await collect(models.stream(endpoint_of(provider), ask()))
    assert reply.failure.details == {"status": 429, "reason": "slow down", "retry_after_s": 7.0}


async def test_a_huge_refusal_is_not_read(provider: FakeProvider, models: OpenAIModels) -> None:
    provider.script("m", [fake.Status(500, body="x" * 5_000_000)])
    watch = Stopwatch()
    reply = await collect(models.stream(endpoint_of(provider), ask()))
    assert type(reply.failure) is ModelOverloadedError
    assert watch.elapsed_s() < 2


async def test_a_port_without_a_server(models: OpenAIModels) -> None:
    async with fake_provider() as stopped_provider:
        endpoint = endpoint_of(stopped_provider)
    reply = await collect(models.stream(endpoint, ask()))
    assert type(reply.failure) is ModelUnreachableError
    assert reply.failure.details["cause"] == "CONNECTION_REFUSED"


GOOD: dict[str, list[Step]] = {
    "a wrong content type": [fake.Headers(content_type="text/plain"), Text("ok")],
    "no usage": [fake.Usage(never=True), Text("ok")],
    "no end mark": [Text("ok"), fake.Finish("stop", done=False)],
    "no finish reason": [Text("ok"), fake.Finish(None)],
    "comments and other fields": [fake.Raw(": hi\nevent: x\nid: 1\n\n"), Text("ok")],
    "CRLF": [fake.Raw('data: {"choices":[{"delta":{"content":"ok"}}]}\r\n\r\n')],
    "an answer that is not streamed": [
        fake.Status(200, body='{"choices":[{"message":{"content":"ok"},"finish_reason":"stop"}]}')
    ],
    "silence behind the finish reason": [
        fake.Raw('data: {"choices":[{"delta":{"content":"ok"},"finish_reason":"stop"}]}\n\n'),
        fake.Stall(),
    ],
    "a reset behind the finish reason": [
        fake.Raw('data: {"choices":[{"delta":{"content":"ok"}}]}\n\n'),
        fake.Raw('data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'),
        fake.Drop(),
    ],
    "garbage ahead of it": [fake.Raw(latin1="\xff\xfe\x00\x01garbage\n\n"), Text("ok")],
    "silence behind the end mark": [
        fake.Raw('data: {"choices":[{"delta":{"content":"ok"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'),
        fake.Stall(),
    ],
}


@pytest.mark.parametrize("name", GOOD)
async def test_what_is_odd_but_whole_is_an_answer(
    name: str, provider: FakeProvider, models: OpenAIModels, quick_models: OpenAIModels
) -> None:
    provider.script("m", GOOD[name])
    subject = quick_models if name.startswith("silence") else models
    reply = await collect(subject.stream(endpoint_of(provider), ask()))
    assert reply.error is None
    assert reply.text == "ok"
    assert reply.finished.reason == "stop"


async def test_usage_as_the_provider_counts(provider: FakeProvider, models: OpenAIModels) -> None:
    provider.script("m", [Text("ok"), fake.Usage(11, 7, cached=5, reasoning=3)])
    reply = await collect(models.stream(endpoint_of(provider), ask()))
    assert reply.finished.usage == Usage(11, 7, 5, 3)


@pytest.mark.parametrize("refused", ["stream_options", "max_tokens", "stop", "tool_choice"])
async def test_does_without_what_a_provider_refuses_and_remembers(
    refused: str, provider: FakeProvider, models: OpenAIModels
) -> None:
    provider.script("m", [fake.Refuse(refused), Text("one STOP two")])
    request = ChatRequest(
        (ChatMessage.from_text("user", "Hi"),), tools=(CALCULATOR,), stop=("STOP",), max_output_tokens=9
    )
    for _ in range(2):
        reply = await collect(models.stream(endpoint_of(provider), request))
        assert reply.error is None
        assert reply.text == "one "
    assert [refused in record.body for record in provider.requests] == [True, False, False]
    if refused == "max_tokens":
        assert provider.requests[-1].body["max_completion_tokens"] == 9


async def test_a_stop_sequence_ends_the_answer_and_the_call(provider: FakeProvider, models: OpenAIModels) -> None:
    provider.script("m", [Text("x = 1\n</code> and more "), Text(tokens=1_000, tokens_per_s=20)])
    reply = await collect(models.stream(endpoint_of(provider), ask(stop=("</code>",))))
    assert reply.text == "x = 1\n"
    assert reply.finished.reason == "stop"
    await eventually(lambda: provider.requests[0].client_closed_at is not None, within_s=10)  # the rest takes 50 s


@pytest.mark.parametrize("steps", [[Text("a "), fake.Stall()], [Text(tokens=10_000, tokens_per_s=200)]])
async def test_closing_the_generator_closes_the_providers_socket(
    steps: list[Step], provider: FakeProvider, models: OpenAIModels
) -> None:
    provider.script("m", steps)
    stream = models.stream(endpoint_of(provider), ask())
    assert isinstance(await anext(stream), TextChunk)
    closed_at, watch = time.time(), Stopwatch()
    await stream.aclose()
    await eventually(lambda: provider.requests[0].client_closed_at is not None)
    seen_at = provider.requests[0].client_closed_at or 0
    assert seen_at - closed_at - watch.starved_s() < 0.05


@pytest.mark.parametrize("steps", [[fake.Stall()], [fake.Headers(delay_s=60)], [Text("a"), fake.Stall()]])
async def test_cancelling_the_reader_closes_the_providers_socket(steps: list[Step], provider: FakeProvider) -> None:
    provider.script("m", steps)
    async with plain_client() as client:
        reader = asyncio.create_task(collect(OpenAIModels(client).stream(endpoint_of(provider), ask())))
        await provider.wait_for()
        await asyncio.sleep(0.05)
        cancelled_at, watch = time.time(), Stopwatch()
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        await eventually(lambda: provider.requests[0].client_closed_at is not None)
    seen_at = provider.requests[0].client_closed_at or 0
    assert seen_at - cancelled_at - watch.starved_s() < 0.05


async def test_timeouts_close_the_providers_socket(provider: FakeProvider, quick_models: OpenAIModels) -> None:
    provider.script("m", [Text("a"), fake.Stall()])
    assert type((await collect(quick_models.stream(endpoint_of(provider), ask()))).failure) is ModelTimeoutError
    await eventually(lambda: provider.requests[0].client_closed_at is not None)


async def test_a_slow_reader_is_not_timed_out(provider: FakeProvider, quick_models: OpenAIModels) -> None:
    async def check() -> None:
        provider.script("m", [Text("a b c d", tokens_per_s=100)])
        texts: list[str] = []
        async for chunk in quick_models.stream(endpoint_of(provider), ask()):
            await asyncio.sleep(QUICK.idle_s * 1.5)
            if isinstance(chunk, TextChunk):
                texts.append(chunk.text)
        assert "".join(texts) == "a b c d"

    await undisturbed(check, pause_s=0.05)


async def test_many_answers_at_once_over_a_bounded_pool(provider: FakeProvider) -> None:
    provider.script("m", [Text(tokens=30, tokens_per_s=300)])
    async with plain_client(max_connections=10) as client:
        models = OpenAIModels(client)
        reply = await asyncio.gather(*(collect(models.stream(endpoint_of(provider), ask())) for _ in range(30)))
    assert all(each.finished.reason == "stop" for each in reply)
    assert len(provider.connections) <= 10


async def test_cancelled_calls_leave_no_connection_behind(provider: FakeProvider) -> None:
    provider.script("slow", [Text(tokens=1_000, tokens_per_s=500)])
    async with plain_client(max_connections=2, pool_timeout_s=20) as client:
        models = OpenAIModels(client)
        for number in range(60):  # cancelled while waiting for the pool, connecting, sending, reading
            readers = [
                asyncio.create_task(collect(models.stream(endpoint_of(provider, "slow"), ask()))) for _ in range(4)
            ]
            await asyncio.sleep(number / 3_000)
            for reader in readers:
                reader.cancel()
            await asyncio.gather(*readers, return_exceptions=True)
        assert (await collect(models.stream(endpoint_of(provider), ask()))).text == "You said: Hi"
        await asyncio.sleep(0.05)
        assert sum(connection.closed_at is None for connection in provider.connections) == 1


async def test_a_full_pool_says_so(provider: FakeProvider) -> None:
    provider.script("m", [fake.Stall()])
    async with plain_client(max_connections=1, pool_timeout_s=0.1) as client:
        models = OpenAIModels(client)
        first = asyncio.create_task(collect(models.stream(endpoint_of(provider), ask())))
        await provider.wait_for()
        reply = await collect(models.stream(endpoint_of(provider), ask()))
        first.cancel()
    assert type(reply.failure) is ModelOverloadedError
    assert reply.failure.details["cause"] == "POOL"


@pytest.mark.parametrize("name", [*FAULTS, "wrong key", "quoting server", "dead port"])
async def test_the_key_is_nowhere_in_what_goes_wrong(
    name: str, quick_models: OpenAIModels, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with fake_provider(key="another" if name == "wrong key" else None) as provider:
        quoting = [fake.Status(400, f"what is {CANARY}?", code=CANARY)]
        provider.script("m", FAULTS[name][0] if name in FAULTS else quoting)
        endpoint = endpoint_of(provider, key=CANARY)
        reply = await collect(quick_models.stream(endpoint, ask()))
    if name == "dead port":
        reply = await collect(quick_models.stream(endpoint, ask()))
    trace = "".join(traceback.format_exception(reply.failure))
    for rendering in (repr(reply.failure), reply.failure.message, repr(reply.failure.details), trace, repr(endpoint)):
        assert CANARY not in rendering
    assert CANARY not in caplog.text


@pytest.mark.parametrize("key", [f"{CANARY}\nx", f"{CANARY}é", f"{CANARY}\x00"])
async def test_a_key_that_fits_no_header_is_refused_without_showing_it(
    key: str, provider: FakeProvider, models: OpenAIModels
) -> None:
    reply = await collect(models.stream(endpoint_of(provider, key=key), ask()))
    assert type(reply.failure) is ModelKeyRefusedError
    assert CANARY not in "".join(traceback.format_exception(reply.failure))
    assert provider.requests == []


async def test_text_that_is_no_unicode_is_refused(provider: FakeProvider, models: OpenAIModels) -> None:
    reply = await collect(models.stream(endpoint_of(provider), ask("half a \ud83d")))
    assert type(reply.failure) is ModelRequestRefusedError
