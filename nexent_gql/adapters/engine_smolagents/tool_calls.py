"""Tool calls: each done once, those of one message at the same time, results in the order of the message."""

import asyncio
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar, cast

from nexent_gql.adapters.engine_smolagents.journal import Journal
from nexent_gql.adapters.engine_smolagents.model_calls import FINAL_ANSWER
from nexent_gql.kernel.json import JsonObject, loads_object
from nexent_gql.ports.engine import RunSpec
from nexent_gql.ports.llm import ToolCall
from nexent_gql.ports.run_events import ToolCallStarted, ToolOutput
from nexent_gql.ports.tools import ToolBox, ToolResult

T = TypeVar("T")
_SHOWN_CHARS = 500


@dataclass(frozen=True, slots=True)
class Asked:
    """A call to do; `arguments` None when what the model wrote is no JSON object, as `written`."""

    key: str
    call_id: str
    name: str
    arguments: JsonObject | None
    written: str = ""


class ToolCalls:
    """The tool calls of one agent."""

    def __init__(self, tools: ToolBox, spec: RunSpec, journal: Journal) -> None:
        self._tools = tools
        self._context = spec.context
        self._names = tuple(tool.name for tool in spec.tools)
        self._journal = journal

    async def all(self, step: int, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """Do the calls of one message at the same time; a call of `final_answer` has nothing to do."""
        asked = [_asked(self._journal.key(step, "tool", str(index)), call) for index, call in enumerate(calls)]
        for each in asked:
            if each.name != FINAL_ANSWER and not self._journal.port.is_done(each.key):
                self._announce(step, each)
        return await _together([self._one(step, each) for each in asked])

    async def single(self, step: int, asked: Asked) -> ToolResult:
        """Do one call, which code makes."""
        if not self._journal.port.is_done(asked.key):
            self._announce(step, asked)
        return await self._one(step, asked)

    async def _one(self, step: int, asked: Asked) -> ToolResult:
        if asked.name == FINAL_ANSWER:
            return ToolResult("")
        stored = await self._journal.once(asked.key, lambda: self._do(step, asked))
        return ToolResult(cast("str", stored["output"]), is_error=bool(stored["is_error"]))

    async def _do(self, step: int, asked: Asked) -> JsonObject:
        began = time.monotonic()
        result = await self._call(asked)
        self._journal.port.emit(
            ToolOutput(
                call_id=asked.call_id,
                name=asked.name,
                output=result.output,
                is_error=result.is_error,
                duration_ms=round((time.monotonic() - began) * 1000),
                step=step,
                agent_path=self._journal.path,
            )
        )
        return {"output": result.output, "is_error": result.is_error}

    async def _call(self, asked: Asked) -> ToolResult:
        if asked.name not in self._names:
            offered = ", ".join(self._names) or "none"
            return ToolResult(f"There is no tool {asked.name!a}; there are: {offered}.", is_error=True)
        if asked.arguments is None:
            shown = asked.written[:_SHOWN_CHARS]
            return ToolResult(
                f"The arguments are not a JSON object; write them again. You wrote: {shown}", is_error=True
            )
        return await self._tools.call(asked.name, asked.arguments, self._context)

    def _announce(self, step: int, asked: Asked) -> None:
        arguments: JsonObject = {"written": asked.written} if asked.arguments is None else asked.arguments
        self._journal.port.emit(
            ToolCallStarted(
                call_id=asked.call_id,
                name=asked.name,
                arguments=arguments,
                step=step,
                agent_path=self._journal.path,
            )
        )


def sendable(call: ToolCall) -> ToolCall:
    """Return a call as it goes into the history: servers there are that fail on arguments which are no JSON object."""
    return replace(call, arguments="{}") if not call.arguments or _arguments(call) is None else call


def _asked(key: str, call: ToolCall) -> Asked:
    return Asked(key, call.id, call.name, _arguments(call), call.arguments)


def _arguments(call: ToolCall) -> JsonObject | None:
    try:
        return loads_object(call.arguments or "{}")
    except ValueError:
        return None


async def _together(work: Sequence[Coroutine[object, object, T]]) -> list[T]:
    """Do all at once; whichever fails or is cancelled ends the others."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
