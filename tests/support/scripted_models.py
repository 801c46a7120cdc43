"""Chat models in memory that answer by script: a `LanguageModels` without a provider.

A script is a list of answers. The answer is chosen by what the request has of earlier ones, so that a request that is
repeated after a crash gets the same answer.
"""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from nexent_gql.kernel.json import JsonObject, dumps
from nexent_gql.ports.llm import (
    ChatChunk,
    ChatMessage,
    ChatRequest,
    Dialect,
    Finished,
    ModelCheck,
    ModelEndpoint,
    ModelError,
    ReasoningChunk,
    TextChunk,
    ToolCallChunk,
    Usage,
)

ENDPOINT = ModelEndpoint(Dialect.OFFLINE, "scripted")


@dataclass(frozen=True)
class Think:
    """Visible reasoning."""

    text: str


@dataclass(frozen=True)
class Call:
    """A tool call; its arguments come in pieces of `size` characters, text as it is.

    Without an `id` it is "id-" and its place in the message, the same in each message.
    """

    name: str
    arguments: JsonObject | str = field(default_factory=JsonObject)
    id: str | None = None
    size: int = 3


@dataclass(frozen=True)
class Pause:
    """Silence; None is for ever."""

    seconds: float | None = None


@dataclass(frozen=True)
class End:
    """The end of the answer, where the usual one will not do."""

    finished: Finished


@dataclass(frozen=True)
class Item:
    """A piece of the protocol as it is, such as an opaque item."""

    chunk: ChatChunk


Piece = str | Think | Call | Item | Pause | End | ModelError
Answer = Sequence[Piece]
USAGE = Usage(input_tokens=100, output_tokens=10)


class ScriptedModels:
    """Implements `LanguageModels`.

    Attributes:
        requests: All requests, in order.
        closed_at: When each stream that was not read to its end was closed (monotonic).
    """

    def __init__(self, *answers: Answer, scripts: Mapping[str, Sequence[Answer]] | None = None) -> None:
        self.requests: list[ChatRequest] = []
        self.closed_at: list[float] = []
        self.open = 0
        self._answers = answers
        self._scripts = scripts or {}

    async def stream(self, endpoint: ModelEndpoint, request: ChatRequest) -> AsyncGenerator[ChatChunk]:
        """See `LanguageModels`; a string is streamed word by word."""
        self.requests.append(request)
        answer = self.choose(endpoint, request)
        self.open += 1
        whole = False
        try:
            async for chunk in _chunks(answer):
                yield chunk
            whole = True
        finally:
            self.open -= 1
            if not whole:
                self.closed_at.append(time.monotonic())

    def choose(self, endpoint: ModelEndpoint, request: ChatRequest) -> Answer:
        """Return the answer to a request."""
        answers = self._scripts.get(endpoint.model, self._answers)
        return answers[sum(map(_stands_for_answer, request.messages))]

    async def check(self, endpoint: ModelEndpoint, *, with_profile: bool = False) -> ModelCheck:
        """See `LanguageModels`."""
        del with_profile
        return ModelCheck(ok=endpoint == ENDPOINT, latency_ms=0)


class ComputedModels(ScriptedModels):
    """Answers what a function says, for requests whose order or number a test does not fix."""

    def __init__(self, answer_of: Callable[[ChatRequest], Answer]) -> None:
        super().__init__()
        self.answer_of: Callable[[ChatRequest], Answer] = answer_of

    def choose(self, endpoint: ModelEndpoint, request: ChatRequest) -> Answer:
        del endpoint
        return self.answer_of(request)


def _stands_for_answer(message: ChatMessage) -> bool:
    """Tell a message that is an answer, or is there because of an empty one."""
    return message.role == "assistant" or "Your reply was empty" in message.text


async def _chunks(answer: Answer) -> AsyncGenerator[ChatChunk]:
    calls = 0
    for piece in answer:
        if isinstance(piece, ModelError):
            raise piece
        if isinstance(piece, End):
            yield piece.finished
            return
        if isinstance(piece, Pause):
            await _pause(piece)
            continue
        for chunk in _pieces(piece, calls):
            await asyncio.sleep(0)
            yield chunk
        calls += isinstance(piece, Call)
    yield Finished("tool_calls" if calls else "stop", USAGE)


async def _pause(pause: Pause) -> None:
    if pause.seconds is None:
        await asyncio.Event().wait()
    else:
        await asyncio.sleep(pause.seconds)


def _pieces(piece: str | Think | Call | Item, index: int) -> Sequence[ChatChunk]:
    if isinstance(piece, Item):
        return [piece.chunk]
    if isinstance(piece, str):
        return [TextChunk(word) for word in re.findall(r"\s*\S+|\s+$", piece)]
    return [ReasoningChunk(piece.text)] if isinstance(piece, Think) else _call(index, piece)


def _call(index: int, call: Call) -> list[ChatChunk]:
    text = call.arguments if isinstance(call.arguments, str) else dumps(call.arguments).decode()
    pieces = [text[at : at + call.size] for at in range(0, len(text), call.size)]
    first = ToolCallChunk(index, id=f"id-{index}" if call.id is None else call.id, name=call.name)
    return [first, *(ToolCallChunk(index, arguments=piece) for piece in pieces)]
