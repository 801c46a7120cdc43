"""Tool calls: each executed once, those of one message concurrently, results in the order of the message."""

import asyncio
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar, cast
from uuid import uuid5

from nexent_gql.adapters.engine_smolagents.call_arguments import read_arguments
from nexent_gql.adapters.engine_smolagents.journal import Journal
from nexent_gql.adapters.engine_smolagents.model_calls import FINAL_ANSWER
from nexent_gql.adapters.engine_smolagents.sources import render
from nexent_gql.kernel.json import JsonObject, dumps, loads_object
from nexent_gql.ports.content import AttachedPart, encode_parts, without_quote
from nexent_gql.ports.engine import RunSpec
from nexent_gql.ports.llm import ToolCall
from nexent_gql.ports.run_events import PartsAdded, PassagesRetrieved, ToolCallStarted, ToolOutput
from nexent_gql.ports.tools import ToolCallContext, ToolCaller, ToolErrorCode, ToolResult

T = TypeVar("T")
MAX_PARALLEL_CALLS = 8
"""Concurrent calls of one agent; further ones wait."""
_SHOWN_CHARS = 500


@dataclass(frozen=True, slots=True)
class ToolRequest:
    """A tool call to execute; `arguments` is None if the model wrote no JSON object, which is in `written`."""

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
        """Execute the calls of one message concurrently; `final_answer` needs no execution."""
        requests = [_to_request(self._journal.key(step, "tool", str(index)), call) for index, call in enumerate(calls)]
        for request in requests:
            if request.name != FINAL_ANSWER and not self._journal.port.is_done(request.key):
                self._emit_started(step, request)
        return await _gather_all([self._once(step, request) for request in requests])

    async def single(self, step: int, request: ToolRequest) -> ToolResult:
        """Execute one call, which code makes."""
        if not self._journal.port.is_done(request.key):
            self._emit_started(step, request)
        return await self._once(step, request)

    async def _once(self, step: int, request: ToolRequest) -> ToolResult:
        if request.name == FINAL_ANSWER:
            return ToolResult("")
        stored = await self._journal.once(request.key, lambda: self._execute(step, request))
        return read_result(stored)

    async def _execute(self, step: int, request: ToolRequest) -> JsonObject:
        async with self._slots:
            began = time.monotonic()
            result = await self._call(request)
        sources = self._journal.sources.label(result.sources)
        self._journal.port.emit(
            ToolOutput(
                call_id=request.call_id,
                name=request.name,
                output=self._journal.sources.redact(result.output),
                is_error=result.is_error,
                duration_ms=round((time.monotonic() - began) * 1000),
                step=step,
                agent_path=self._journal.path,
            )
        )
        if parts := [part for part in result.parts if isinstance(part, AttachedPart)]:
            self._journal.port.emit(
                PartsAdded(call_id=request.call_id, parts=encode_parts(parts), step=step, agent_path=self._journal.path)
            )
        if sources:
            passages = encode_parts([without_quote(source) for source in sources])
            self._journal.port.emit(
                PassagesRetrieved(call_id=request.call_id, passages=passages, step=step, agent_path=self._journal.path)
            )
            result = replace(result, output=f"{result.output}\n\n{render(sources)}", sources=sources)
        return write_result(result)

    async def _call(self, request: ToolRequest) -> ToolResult:
        tool = self._offered.get(request.name)
        if tool is None:
            names = ", ".join(self._offered) or "none"
            message = f"There is no tool {request.name[:_SHOWN_CHARS]!a}; there are: {names}."
            return ToolResult(message, ToolErrorCode.UNKNOWN_TOOL)
        if request.arguments is None:
            excerpt = request.written[:_SHOWN_CHARS]
            message = f"The arguments are not a JSON object; write them again. You wrote: {excerpt}"
            return ToolResult(message, ToolErrorCode.INVALID_ARGUMENTS)
        return await self._tools.call(tool, request.arguments, self._call_context(request))

    def _call_context(self, request: ToolRequest) -> ToolCallContext:
        run = self._context
        return ToolCallContext(
            tenant_id=run.tenant_id,
            user_id=run.user_id,
            run_id=run.run_id,
            agent_id=run.agent_id,
            call_id=request.call_id,
            idempotency_key=str(uuid5(run.run_id, request.key)),
            deadline=run.deadline,
            time_zone=run.time_zone,
        )

    def _emit_started(self, step: int, request: ToolRequest) -> None:
        arguments: JsonObject = {"written": request.written} if request.arguments is None else request.arguments
        self._journal.port.emit(
            ToolCallStarted(
                call_id=request.call_id,
                name=request.name,
                arguments=arguments,
                step=step,
                agent_path=self._journal.path,
            )
        )


def write_result(result: ToolResult) -> JsonObject:
    """Return a result as the journal keeps it."""
    stored: JsonObject = {"output": result.output, "is_error": result.is_error}
    if result.sources:
        stored["sources"] = [*encode_parts(result.sources)]
    return stored if result.error is None else stored | {"error": result.error.value}


def read_result(stored: JsonObject) -> ToolResult:
    """Decode what `write_result` returned, also in a release without error codes."""
    output = cast("str", stored["output"])
    if not stored["is_error"]:
        return ToolResult(output)
    code = stored.get("error")
    is_known = code in set(ToolErrorCode)
    return ToolResult(output, ToolErrorCode(cast("str", code)) if is_known else ToolErrorCode.INTERNAL)


def sendable(call: ToolCall) -> ToolCall:
    """Return a call for the history: some servers fail on arguments that are no JSON object."""
    try:
        loads_object(call.arguments)
    except ValueError:
        return replace(call, arguments=dumps(read_arguments(call.arguments) or {}).decode())
    return call


def _to_request(key: str, call: ToolCall) -> ToolRequest:
    return ToolRequest(key, call.id, call.name, read_arguments(call.arguments), call.arguments)


async def _gather_all(work: Sequence[Coroutine[object, object, T]]) -> list[T]:
    """Run all concurrently; the first failure or a cancellation cancels the others."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
