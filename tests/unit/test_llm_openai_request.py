"""Addresses, keys and bodies of requests, from any input."""

import asyncio

import httpx2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr

from nexent_gql.adapters.llm_http.limits import CallTimer, StreamLimits
from nexent_gql.adapters.llm_http.models import key_of, url_of
from nexent_gql.adapters.llm_openai.wire import body_of, message_of
from nexent_gql.ports.content import ImagePart, OpaquePart, Origin, TextPart
from nexent_gql.ports.llm import (
    ChatMessage,
    ChatRequest,
    Dialect,
    ModelAddressError,
    ModelEndpoint,
    ModelKeyRefusedError,
    ToolCall,
)
from tests.support.llm import CALCULATOR, ask
from tests.support.stopwatch import undisturbed


def at(base_url: str) -> ModelEndpoint:
    return ModelEndpoint(Dialect.OPENAI, "m", base_url)


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("https://api.example.com/v1", "https://api.example.com/v1/chat/completions"),
        ("https://api.example.com/v1/", "https://api.example.com/v1/chat/completions"),
        ("https://api.example.com", "https://api.example.com/chat/completions"),
        ("https://api.example.com/v1/chat/completions", "https://api.example.com/v1/chat/completions"),
        ("https://x.example.com/openai?api-version=1", "https://x.example.com/openai/chat/completions?api-version=1"),
        (" http://[::1]:8000/v1 ", "http://[::1]:8000/v1/chat/completions"),
    ],
)
def test_addresses(base_url: str, url: str) -> None:
    assert str(url_of(at(base_url), "/chat/completions")) == url


@given(text=st.text())
@example("http://[")
@example("http://[::1")
@example("http://a:99999999")
@example("http://\ud800")
@example("http://xn--/")
@example("https://" + "a" * 70_000)
def test_any_text_is_an_address_or_refused(text: str) -> None:
    for base_url in (text, f"http://{text}", f"https://example.com/{text}"):
        try:
            url = url_of(at(base_url), "/chat/completions")
        except ModelAddressError:
            continue
        assert url.scheme in {"http", "https"}
        assert url.path.rstrip("/").endswith("/chat/completions")


@given(key=st.text())
def test_any_key_fits_a_header_or_is_refused(key: str) -> None:
    endpoint = ModelEndpoint(Dialect.OPENAI, "m", "http://x/v1", SecretStr(key))
    try:
        headers = key_of(endpoint)
    except ModelKeyRefusedError:
        assert not (key.isascii() and key.isprintable())
    else:
        assert httpx2.Headers({"authorization": f"Bearer {headers}"})
        assert headers == key.strip()


def test_defaults_are_left_to_the_provider() -> None:
    assert body_of("m", ask("Hi")) == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_refused_parameters_are_left_out() -> None:
    request = ChatRequest((ChatMessage.from_text("user", "Hi"),), (CALCULATOR,), "none", ("x",), 9)
    body = body_of("m", request, {"stream_options", "max_tokens", "stop", "tool_choice"})
    assert set(body) == {"model", "messages", "stream", "max_completion_tokens"}


def test_empty_arguments_of_the_history_become_an_object() -> None:
    message = ChatMessage.from_text("assistant", "text", (ToolCall("c", "f", ""),))
    assert message_of(message) == {
        "role": "assistant",
        "content": "text",
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    }


class TestTimer:
    LIMITS = StreamLimits(first_byte_s=0.1, first_content_s=0.15, idle_s=0.05, total_s=0.3)

    async def end_of(self, waits_s: list[float], pauses_s: float = 0, begun_after: int = 0) -> str:
        """Wait so often and pause between; return which limit was reached, or "" for none."""
        timer = CallTimer(self.LIMITS)
        try:
            async with timer:
                for number, wait_s in enumerate(waits_s):
                    timer.has_begun = number >= begun_after
                    with timer:
                        await asyncio.sleep(wait_s)
                    await asyncio.sleep(pauses_s)
        except TimeoutError:
            return str(timer.error().details["cause"])
        return ""

    @pytest.mark.parametrize(
        ("waits_s", "pauses_s", "begun_after", "cause"),
        [
            ([0.01] * 5, 0, 0, ""),
            ([0.01] * 3, 0.1, 0, ""),
            ([0.03, 0.03, 1], 0, 0, "IDLE"),
            ([1], 0, 1, "FIRST_BYTE"),
            ([0.06, 0.06, 0.06], 0, 9, "FIRST_CONTENT"),
            ([0.06, 0.06, 0.01], 0.1, 2, ""),
            ([0.03] * 20, 0, 0, "TOTAL"),
            ([0.08, 0.01, 0.2], 0, 1, "IDLE"),
        ],
    )
    async def test_limits(self, waits_s: list[float], pauses_s: float, begun_after: int, cause: str) -> None:
        async def check() -> None:
            assert await self.end_of(waits_s, pauses_s, begun_after) == cause

        await undisturbed(check, pause_s=0.01)

    async def test_the_caller_is_not_cancelled_between_waits(self) -> None:
        timer = CallTimer(self.LIMITS)
        async with timer:
            with timer:
                await asyncio.sleep(0)
            await asyncio.sleep(0.4)

    async def test_cancelling_from_outside_is_no_timeout(self) -> None:
        task = asyncio.create_task(self.end_of([1], begun_after=1))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def test_text_is_a_string_and_images_make_a_list() -> None:
    words = ChatMessage("user", (TextPart("a "), TextPart("b")))
    assert message_of(words)["content"] == "a b"
    image = ImagePart("image/png", data="AA==")
    image_message = ChatMessage("user", (TextPart("Look"), image, OpaquePart(Origin("p", "m"), "k", {})))
    assert message_of(image_message)["content"] == [
        {"type": "text", "text": "Look"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
    ]
