"""Calls of tools: whatever a tool does, its run gets a result in time."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from uuid import uuid4

import pytest

from nexent_gql.db.session import DatabaseUnavailableError
from nexent_gql.domains.tools.output import MAX_OUTPUT_BYTES, MAX_PARTS, limit_result
from nexent_gql.ports.content import ImagePart
from nexent_gql.ports.tools import OfferedTool, ToolCallContext, ToolDefinition, ToolErrorCode, ToolResult
from nexent_gql.toolkit import Arguments, ToolFailure, TypedTool
from tests.support.stopwatch import Stopwatch
from tests.support.toolbox import BuiltinTools, call_context
from tests.support.waiting import eventually

Run = Callable[["Nothing", ToolCallContext], Awaitable[str]]


class Nothing(Arguments):
    """No arguments."""


async def call(run: Run, context: ToolCallContext | None = None, *, timeout_s: float = 30) -> ToolResult:
    box = BuiltinTools(tools=[TypedTool("it", "", Nothing, run, timeout_s=timeout_s)])
    return await box.call("it", {}, context)


async def hang(_arguments: Nothing, _context: ToolCallContext) -> str:
    await asyncio.sleep(60)
    return ""


async def test_a_tool_that_hangs_is_ended_by_its_time_out() -> None:
    expected = ToolResult("it did not finish within 0.05 seconds.", ToolErrorCode.TIMEOUT)
    assert await call(hang, timeout_s=0.05) == expected


async def test_a_run_that_ends_earlier_ends_the_tool() -> None:
    deadlines: list[float] = []

    async def note(_arguments: Nothing, context: ToolCallContext) -> str:
        deadlines.append(context.deadline)
        return await hang(_arguments, context)

    began = 0.0
    while not deadlines:  # a run whose deadline has passed calls no tool
        watch, began = Stopwatch(), time.monotonic()
        result = await call(note, call_context(deadline=began + 0.1))
        assert (result.error, watch.elapsed_s() < 5) == (ToolErrorCode.TIMEOUT, True)
    await call(note, call_context(deadline=time.monotonic() + 60), timeout_s=0.1)
    assert deadlines[0] == pytest.approx(began + 0.1, abs=0.05)
    assert deadlines[1] < time.monotonic() + 0.1
    assert (await call(note, call_context(deadline=time.monotonic() - 1))).error is ToolErrorCode.TIMEOUT


async def fail(_arguments: Nothing, _context: ToolCallContext) -> str:
    raise RuntimeError("secret detail")


async def time_out(_arguments: Nothing, _context: ToolCallContext) -> str:
    raise TimeoutError


async def cancel_itself(_arguments: Nothing, _context: ToolCallContext) -> str:
    raise asyncio.CancelledError


@pytest.mark.parametrize("broken", [fail, time_out, cancel_itself])
async def test_a_broken_tool_keeps_its_secrets(broken: Run) -> None:
    message = "it failed because of an error in the tool itself."
    assert await call(broken) == ToolResult(message, ToolErrorCode.INTERNAL)


async def test_a_refusal_reaches_the_model() -> None:
    async def refuse(_arguments: Nothing, _context: ToolCallContext) -> str:
        raise ToolFailure("Ask for less.")

    assert await call(refuse) == ToolResult("Ask for less.", ToolErrorCode.REFUSED)


async def test_a_database_that_is_away_is_not_the_tools_failure() -> None:
    async def read(_arguments: Nothing, _context: ToolCallContext) -> str:
        raise DatabaseUnavailableError("The database does not answer.")

    with pytest.raises(DatabaseUnavailableError):
        await call(read)


async def test_output_is_cut_between_characters() -> None:
    async def flood(_arguments: Nothing, _context: ToolCallContext) -> str:
        return "汉" * MAX_OUTPUT_BYTES

    output = (await call(flood)).output
    assert MAX_OUTPUT_BYTES - 3 <= len(output.encode()) <= MAX_OUTPUT_BYTES
    assert output.endswith("汉\n[truncated: the whole output has 196,608 bytes]")


def test_parts_have_limits_too() -> None:
    large, small = ImagePart("image/png", data="A" * 200_000), ImagePart("image/png", url="https://example.com/a.png")
    assert limit_result(ToolResult("a", parts=(large, small))) == ToolResult("a", parts=(large, small))
    note = "\n[1 of 3 parts were left out: too large or too many]"
    assert limit_result(ToolResult("a", parts=(large, large, small))) == ToolResult("a" + note, parts=(large, small))
    many = limit_result(ToolResult("a" * MAX_OUTPUT_BYTES, parts=(small,) * (MAX_PARTS + 2)))
    assert (len(many.parts), len(many.output)) == (MAX_PARTS, MAX_OUTPUT_BYTES)
    assert "[truncated: the whole output has 65,536 bytes]\n[2 of 52 parts" in many.output


async def test_stopping_a_call_closes_what_it_holds_at_once() -> None:
    closed: list[float] = []

    async def hold(arguments: Nothing, context: ToolCallContext) -> str:
        try:
            return await hang(arguments, context)
        finally:
            closed.append(time.monotonic())

    task = asyncio.create_task(call(hold))
    await asyncio.sleep(0.05)
    watch, began = Stopwatch(), time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed[0] - began - watch.starved_s() < 0.05


async def test_a_thread_hears_of_the_end() -> None:
    ended = threading.Event()

    async def work(_arguments: Nothing, context: ToolCallContext) -> str:
        def block() -> None:
            if context.cancellation.wait(30):
                ended.set()

        await asyncio.to_thread(block)
        return ""

    assert (await call(work, timeout_s=0.05)).error is ToolErrorCode.TIMEOUT
    await eventually(ended.is_set)


async def test_a_tool_that_ignores_its_cancellation_holds_up_nobody() -> None:
    is_released = asyncio.Event()

    async def ignore(_arguments: Nothing, _context: ToolCallContext) -> str:
        while not is_released.is_set():
            with suppress(asyncio.CancelledError):
                await is_released.wait()
        return "late"

    watch = Stopwatch()
    assert (await call(ignore, timeout_s=0.05)).error is ToolErrorCode.TIMEOUT
    assert watch.elapsed_s() < 5
    is_released.set()


@pytest.mark.parametrize("provider", ["builtin", "a provider that was removed"])
async def test_a_tool_that_is_gone_says_so(provider: str) -> None:
    definition = ToolDefinition("gone", "", {"type": "object"})
    offered = OfferedTool("gone", provider, definition)
    result = await BuiltinTools().dispatcher.call(offered, {}, call_context(run_id=uuid4()))
    assert result == ToolResult("The tool gone does not exist any more; go on without it.", ToolErrorCode.UNAVAILABLE)
