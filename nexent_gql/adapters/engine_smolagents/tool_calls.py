"""Tool calls: each done once, those of one message at the same time, results in the order of the message."""

import asyncio
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar, cast
from uuid import uuid5

from nexent_gql.adapters.engine_smolagents.journal import Journal
from nexent_gql.adapters.engine_smolagents.model_calls import FINAL_ANSWER
from nexent_gql.kernel.json import JsonObject, loads_object
from nexent_gql.ports.content import AttachedPart, encode_parts
from nexent_gql.ports.engine import RunSpec
from nexent_gql.ports.llm import ToolCall
from nexent_gql.ports.run_events import PartsAdded, ToolCallStarted, ToolOutput
from nexent_gql.ports.tools import ToolCallContext, ToolCaller, ToolErrorCode, ToolResult

T = TypeVar("T")
MAX_PARALLEL_CALLS = 8
"""Calls of one agent that are under way at the same time; further ones wait."""
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

    def __init__(self, tools: ToolCaller, spec: RunSpec, journal: Journal) -> None:
        self._tools = tools
        self._context = spec.context
        self._offered = {tool.name: tool for tool in spec.tools}
        self._journal = journal
        self._slots = asyncio.Semaphore(MAX_PARALLEL_CALLS)

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
        return read_result(stored)

    async def _do(self, step: int, asked: Asked) -> JsonObject:
        async with self._slots:
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
        if parts := [part for part in result.parts if isinstance(part, AttachedPart)]:
            self._journal.port.emit(
                PartsAdded(call_id=asked.call_id, parts=encode_parts(parts), step=step, agent_path=self._journal.path)
            )
        return write_result(result)

    async def _call(self, asked: Asked) -> ToolResult:
        tool = self._offered.get(asked.name)
        if tool is None:
            names = ", ".join(self._offered) or "none"
            message = f"There is no tool {asked.name[:_SHOWN_CHARS]!a}; there are: {names}."
            return ToolResult(message, ToolErrorCode.UNKNOWN_TOOL)
        if asked.arguments is None:
            shown = asked.written[:_SHOWN_CHARS]
            message = f"The arguments are not a JSON object; write them again. You wrote: {shown}"
            return ToolResult(message, ToolErrorCode.INVALID_ARGUMENTS)
        return await self._tools.call(tool, asked.arguments, self._call_context(asked))

    def _call_context(self, asked: Asked) -> ToolCallContext:
        run = self._context
        return ToolCallContext(
            tenant_id=run.tenant_id,
            user_id=run.user_id,
            run_id=run.run_id,
            agent_id=run.agent_id,
            call_id=asked.call_id,
            idempotency_key=str(uuid5(run.run_id, asked.key)),
            deadline=run.deadline,
            time_zone=run.time_zone,
        )

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


def write_result(result: ToolResult) -> JsonObject:
    """Return a result as the journal keeps it."""
    stored: JsonObject = {"output": result.output, "is_error": result.is_error}
    return stored if result.error is None else stored | {"error": result.error.value}


def read_result(stored: JsonObject) -> ToolResult:
    """Read what `write_result` returned, also in a release that knew no codes."""
    output = cast("str", stored["output"])
    if not stored["is_error"]:
        return ToolResult(output)
    code = stored.get("error")
    known = code in set(ToolErrorCode)
    return ToolResult(output, ToolErrorCode(cast("str", code)) if known else ToolErrorCode.INTERNAL)


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
