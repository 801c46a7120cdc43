"""All tools by name: checks, deadlines, and a bound on what they return."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import structlog

from nexent_gql.adapters.tools_builtin.calculator import calculator
from nexent_gql.adapters.tools_builtin.current_time import current_time
from nexent_gql.adapters.tools_builtin.tool import ToolFailure
from nexent_gql.adapters.tools_builtin.wait import wait
from nexent_gql.kernel.clock import Clock, utc_now
from nexent_gql.kernel.json import JsonObject
from nexent_gql.ports.llm import ToolSpec
from nexent_gql.ports.tools import ToolContext, ToolResult

MAX_OUTPUT_BYTES = 64 * 1024
_log = structlog.get_logger()


class AnyTool(Protocol):
    """A `Tool`, whatever its arguments."""

    @property
    def name(self) -> str:
        """Unique in the box."""
        ...

    @property
    def deadline_s(self) -> float:
        """Seconds after which a call is cancelled."""
        ...

    def spec(self) -> ToolSpec:
        """Describe it for the model."""
        ...

    async def call(self, arguments: JsonObject, context: ToolContext) -> str:
        """Check the arguments and run; raises ToolFailure for what the model can mend."""
        ...


class BuiltinTools:
    """Implements the `ToolBox` port.

    Args:
        clock: The present time.
        tools: Further tools, after the built-in ones.

    Raises:
        ValueError: Two tools have one name.
    """

    def __init__(self, clock: Clock = utc_now, tools: Sequence[AnyTool] = ()) -> None:
        every: tuple[AnyTool, ...] = (current_time(clock), calculator(), wait(), *tools)
        self._tools = {tool.name: tool for tool in every}
        self._specs = tuple(tool.spec() for tool in every)
        if len(self._tools) < len(every):
            raise ValueError("two tools have one name")

    def specs(self) -> Sequence[ToolSpec]:
        """See `ToolBox`."""
        return self._specs

    async def call(self, name: str, arguments: JsonObject, context: ToolContext) -> ToolResult:
        """See `ToolBox`."""
        tool = self._tools.get(name)
        if tool is None:
            return ToolResult(f"There is no tool {name!a}; there are: {', '.join(self._tools)}.", is_error=True)
        deadline = asyncio.timeout(tool.deadline_s)
        try:
            async with deadline:
                return ToolResult(cut(await tool.call(arguments, context)))
        except ToolFailure as failure:
            return ToolResult(cut(str(failure)), is_error=True)
        except Exception as error:  # noqa: BLE001 - whatever a tool does, its run goes on
            if deadline.expired():
                return ToolResult(f"{name} did not finish within {tool.deadline_s:g} seconds.", is_error=True)
            _log.exception("tool.failed", tool=name, run_id=str(context.run_id), error=repr(error))
            return ToolResult(f"{name} failed because of an error in the tool itself.", is_error=True)


def cut(text: str) -> str:
    """Return as much of `text` as fits 64 kB in UTF-8, and say what is missing."""
    data = text.encode("utf-8", "replace")
    if len(data) <= MAX_OUTPUT_BYTES:
        return text
    note = f"\n[cut: the whole has {len(data):,} bytes]"
    return data[: MAX_OUTPUT_BYTES - len(note)].decode("utf-8", "ignore") + note
