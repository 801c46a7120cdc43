"""Answers that arrive at once: the work is linear in their length, and others on the event loop have their turns."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from functools import partial
from itertools import product

import httpx2
import pytest

from nexent_gql.adapters.engine_smolagents.answer_argument import AnswerArgument
from nexent_gql.adapters.engine_smolagents.code_text import CodeText
from nexent_gql.adapters.engine_smolagents.textual_calls import TextualCalls
from nexent_gql.adapters.llm_http.thinking import ThinkingSplitter
from nexent_gql.adapters.llm_openai import OpenAIModels
from nexent_gql.adapters.llm_openai.calls import CallAssembler
from nexent_gql.kernel.citation_marks import CitationScanner
from nexent_gql.kernel.json import JsonObject, dumps
from nexent_gql.ports.llm import ChatMessage, ChatRequest, Dialect, Finished, ModelEndpoint, TextChunk
from tests.support.stopwatch import Stopwatch

SHORT_CHARS, FACTOR = 3_000, 8
QUADRATIC_SHARE = 0.4
"""Work that grows with the square takes 64 times as long for 8 times the text; linear work takes 8 times as long."""
PIECE_CHARS = 6


class _Noted:
    """Reads and drops what a reader passes on."""

    def __init__(self) -> None:
        self.chars = 0

    def add(self, text: str) -> None:
        self.chars += len(text)


def read_code(pieces: Iterable[str]) -> None:
    noted = _Noted()
    reader = CodeText(noted.add, noted.add)
    for piece in pieces:
        reader.feed(piece)
    reader.finish()


def read_thinking(pieces: Iterable[str]) -> None:
    splitter = ThinkingSplitter()
    for piece in pieces:
        splitter.feed(piece)
    splitter.finish()


def read_textual_calls(pieces: Iterable[str]) -> None:
    reader = TextualCalls({"add": {"type": "object"}})
    for piece in pieces:
        reader.feed(piece)
    reader.finish()


def read_native_call(pieces: Iterable[str]) -> None:
    """Read a call whose name stands in each fragment."""
    calls = CallAssembler(["add"])
    for piece in pieces:
        calls.fragment({"index": 0, "id": "c", "function": {"name": "add", "arguments": piece}})
    calls.finish()


def read_argument(pieces: Iterable[str]) -> None:
    argument = AnswerArgument()
    for piece in pieces:
        argument.feed(piece)
    argument.finish()


def read_citations(pieces: Iterable[str]) -> None:
    scanner = CitationScanner()
    for piece in pieces:
        scanner.feed(piece)


BEGINNINGS: dict[Callable[[Iterable[str]], None], tuple[str, ...]] = {
    read_code: ("", "<code>\ns = '''\n", "```"),
    read_thinking: ("", "<think>"),
    read_textual_calls: ("", "<tool_call>", '{"name": "add", "x": "'),
    read_native_call: ('{"x": "',),
    read_argument: ('{"answer": "',),
    read_citations: ("",),
}
"""How the text begins that each reader gets."""
TEXTS = {
    "prose": "The quick brown fox [1], jumps over it.\n",
    "one line": "words without an end ",
    "Chinese": "\u4e2d\u6587\u7684\u53e5\u5b50\u5f88\u957f\u3002\n",
    "marks": "a < b & <x> [y] `z`\n",
    "line ends": "\n",
    "blanks": " ",
    "brackets": "[",
    "fences": "So\n```js\nlet x\n```\n",
    "Python fences": "So\n```python\nf(\n```\n",
    "tags in a line": "use <code>x</code> here ",
    "tags without ends": "use <code>\n",
    "tags that never close": "<code ",
    "ends of code": "</code>\n",
    "openings of calls": "<tool_call>",
    "false calls": "<tool_call>x</tool_call>",
}


def pieces_of(text: str) -> list[str]:
    return [text[at : at + PIECE_CHARS] for at in range(0, len(text), PIECE_CHARS)]


def processor_s(work: Callable[[], None]) -> float:
    watch = Stopwatch()
    work()
    return watch.processor_s()


@pytest.mark.parametrize("reader", BEGINNINGS, ids=lambda reader: reader.__name__)
def test_work_is_linear_in_the_length_of_an_answer(reader: Callable[[Iterable[str]], None]) -> None:
    for name, beginning in product(TEXTS, BEGINNINGS[reader]):
        text = beginning + TEXTS[name] * (SHORT_CHARS * FACTOR // len(TEXTS[name]))
        short_s = processor_s(partial(reader, pieces_of(text[:SHORT_CHARS])))
        long_s = processor_s(partial(reader, pieces_of(text)))
        assert long_s < max(short_s, 0.002) * FACTOR**2 * QUADRATIC_SHARE, (name, beginning, short_s, long_s)


FRAMES = 5_000
ENDPOINT = ModelEndpoint(Dialect.OPENAI, "m", "http://provider.test/v1")
REQUEST = ChatRequest(messages=(ChatMessage.from_text("user", "Hi"),))


class _Burst(httpx2.AsyncByteStream):
    """A reply that has arrived as a whole before it is read."""

    def __init__(self, deltas: Iterable[JsonObject]) -> None:
        frames = [dumps({"choices": [{"index": 0, "delta": delta}]}) for delta in deltas]
        self._reply = b"".join(b"data: %b\n\n" % frame for frame in [*frames, *END])

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._reply


END = (b'{"choices": [{"index": 0, "delta": {"content": "."}, "finish_reason": "stop"}]}', b"[DONE]")
BURSTS: dict[str, tuple[JsonObject, int]] = {
    "text": ({"content": "word "}, FRAMES),
    "reasoning": ({"reasoning_content": "word "}, FRAMES),
    "blanks": ({"content": "    "}, FRAMES),
    "nothing": ({}, FRAMES),
    "one frame": ({"content": "word " * 100_000}, 1),
    "one call": ({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "x" * 500_000}}]}, 1),
}


@pytest.mark.parametrize("burst", BURSTS.values(), ids=BURSTS)
async def test_others_have_their_turns_while_an_answer_is_read_that_has_arrived(burst: tuple[JsonObject, int]) -> None:
    delta, count = burst

    async def answer(_request: httpx2.Request) -> httpx2.Response:
        headers = {"content-type": "text/event-stream"}
        return httpx2.Response(200, headers=headers, stream=_Burst(delta for _ in range(count)))

    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as client:
        others = asyncio.create_task(take_turns())
        chunks = [chunk async for chunk in OpenAIModels(client).stream(ENDPOINT, REQUEST)]
        others.cancel()
        await asyncio.gather(others, return_exceptions=True)
    assert isinstance(chunks[-1], Finished)
    texts = [chunk.text for chunk in chunks if isinstance(chunk, TextChunk)]
    assert max(map(len, texts)) <= 2_000
    assert turns > (FRAMES if count > 1 else 250) // 32
