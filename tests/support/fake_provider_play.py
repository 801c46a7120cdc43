"""Plays the steps of a turn as an OpenAI chat completion stream."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence

from nexent_gql.kernel.json import JsonObject, dumps
from tests.support.fake_provider_http import Connection
from tests.support.fake_provider_steps import (
    Drop,
    ErrorFrame,
    Finish,
    Headers,
    Raw,
    Reasoning,
    Refuse,
    Stall,
    Status,
    Step,
    Text,
    Tool,
    Usage,
)

PIECE = re.compile(r"[\u3000-\u9fff\uff00-\uffef]{1,2}|[^\s\u3000-\u9fff\uff00-\uffef]{1,8}\s?|\s+")


class SkipRest(Exception):  # noqa: N818 - not an error: the rest of the turn is not to be played
    """The script ended the connection or the answer before the last step."""


class Player:
    """Plays one turn over one connection; `name` and `used` count what a script does a limited number of times."""

    def __init__(self, connection: Connection, body: JsonObject, name: str, used: Counter[str]) -> None:
        self._connection = connection
        self._body = body
        self._name = name
        self._used = used
        self._has_begun = False
        self._calls = 0
        self._tokens = 0
        self._usage: Usage | None = None
        self._finish: Finish | None = None
        self.reported_tokens: int | None = None
        self._base = {
            "id": f"chatcmpl-{id(connection):x}",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": body.get("model"),
        }

    async def play(self, steps: Sequence[Step]) -> None:
        """Send all steps, then the end of the answer."""
        try:
            for number, step in enumerate(steps):
                if self._left_over(step, number):
                    await self._step(step)
            await self._end()
        except SkipRest:
            return

    def _left_over(self, step: Step, number: int) -> bool:
        if not isinstance(step, Status | Drop | Stall | ErrorFrame) or step.times is None:
            return True
        key = f"{self._name}/{number}"
        self._used[key] += 1
        return self._used[key] <= step.times

    async def _step(self, step: Step) -> None:
        match step:
            case Text():
                await self._pieces("content", _pieces(step), step.tokens_per_s, stamp=step.stamp)
            case Reasoning():
                await self._pieces(step.field, PIECE.findall(step.text), step.tokens_per_s)
            case Tool():
                await self._tool(step)
            case Usage():
                self._usage = step
            case Finish():
                self._finish = step
            case _:
                await self._misbehave(step)

    async def _misbehave(self, step: Stall | Drop | Status | ErrorFrame | Raw | Headers | Refuse) -> None:
        match step:
            case Stall():
                await asyncio.sleep(86_400 if step.seconds is None else step.seconds)
            case Drop():
                await self._drop(step)
            case Status():
                await self._status(step)
            case ErrorFrame():
                error = {"message": step.message, "type": step.type, "code": step.code}
                await self._data({"error": error})
            case Raw():
                await self._begin()
                await self._connection.chunk(step.latin1.encode("latin1") or step.text.encode())
            case Headers():
                await asyncio.sleep(step.delay_s)
                await self._begin(step)
            case Refuse():
                await self._refuse(step.parameter)

    async def _drop(self, step: Drop) -> None:
        await self._begin()
        await asyncio.sleep(0.02)  # what was sent before must arrive: a reset discards it from the peer's buffer
        (self._connection.reset if step.how == "reset" else self._connection.close)()
        raise SkipRest

    async def _status(self, step: Status) -> None:
        error = {"error": {"message": step.message, "type": "scripted", "param": None, "code": step.code}}
        headers = {"content-type": step.content_type, **step.headers}
        if step.retry_after is not None:
            headers["retry-after"] = step.retry_after
        await self._connection.answer(step.status, dumps(error) if step.body is None else step.body.encode(), headers)
        raise SkipRest

    async def _refuse(self, parameter: str) -> None:
        if parameter in self._body:
            await self._status(Status(400, f"Unsupported parameter: '{parameter}'", code="unsupported_parameter"))

    async def _begin(self, headers: Headers | None = None) -> None:
        if self._has_begun:
            return
        self._has_begun = True
        headers = headers or Headers()
        await self._connection.start(200, {"content-type": headers.content_type, **headers.headers})
        if "event-stream" in headers.content_type:
            await self._delta({"role": "assistant", "content": ""})

    async def _data(self, value: object) -> None:
        await self._begin()
        await self._connection.chunk(b"data: " + dumps(value) + b"\n\n")

    async def _delta(self, delta: object, finish: str | None = None) -> None:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        await self._data({**self._base, "choices": [choice]})

    async def _pieces(self, name: str, pieces: Sequence[str], tokens_per_s: float, *, stamp: bool = False) -> None:
        await self._begin()
        async for number, piece in _paced(pieces, tokens_per_s):
            await self._delta({name: f"{number}@{time.time():.6f} " if stamp else piece})
            self._tokens += 1

    async def _tool(self, step: Tool) -> None:
        index = self._calls if step.index == -1 else step.index
        self._calls += 1
        name = f"call_{self._calls}_{len(_messages(self._body))}" if step.id == "" else step.id
        head: JsonObject = {"type": "function"}
        head |= {} if index is None else {"index": index}
        first = head | ({} if name is None else {"id": name})
        text = step.arguments if isinstance(step.arguments, str) else dumps(step.arguments).decode()
        width = max(1, -(-len(text) // max(1, step.fragments)))
        parts = [text[at : at + width] for at in range(0, len(text), width)] or [""]
        async for number, part in _paced(parts, step.tokens_per_s):
            if number == 0:
                call = first | {"function": {"name": step.name, "arguments": part}}
            else:
                call = {key: value for key, value in head.items() if key == "index"} | {"function": {"arguments": part}}
            await self._delta({"tool_calls": [call]})
            self._tokens += 1

    async def _end(self) -> None:
        finish = self._finish or Finish("tool_calls" if self._calls else "stop")
        if finish.reason is not None:
            await self._delta({}, finish.reason)
        options = self._body.get("stream_options")
        if isinstance(options, dict) and options.get("include_usage") is True:
            await self._report(self._usage or Usage(len(dumps(self._body)) // 4, self._tokens))
        if finish.done:
            await self._begin()
            await self._connection.chunk(b"data: [DONE]\n\n")
        await self._connection.end()

    async def _report(self, usage: Usage) -> None:
        if usage.never:
            return
        counts = {
            "prompt_tokens": usage.input,
            "completion_tokens": usage.output,
            "total_tokens": usage.input + usage.output,
            "prompt_tokens_details": {"cached_tokens": usage.cached},
            "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
        }
        await self._data({**self._base, "choices": [], "usage": counts})
        self.reported_tokens = usage.input + usage.output


def _messages(body: JsonObject) -> list[object]:
    messages = body.get("messages")
    return [*messages] if isinstance(messages, list) else []


def _pieces(step: Text) -> Sequence[str]:
    if step.tokens:
        return [f"t{number} " for number in range(step.tokens)]
    return [step.text] if step.whole else PIECE.findall(step.text)


async def _paced(pieces: Sequence[str], tokens_per_s: float) -> AsyncGenerator[tuple[int, str]]:
    """Yield (number, piece) at a steady pace that does not drift with what the caller does in between."""
    began = time.monotonic()
    for number, piece in enumerate(pieces):
        if tokens_per_s:
            await asyncio.sleep(max(0.0, began + (number + 1) / tokens_per_s - time.monotonic()))
        yield number, piece
