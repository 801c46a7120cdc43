"""The tool `wait`: waits as long as it is asked to."""

import asyncio

from pydantic import Field

from nexent_gql.ports.tools import ToolCallContext
from nexent_gql.toolkit import READ_ONLY, Arguments, TypedTool

MAX_WAIT_S = 300
_RESERVE_S = 10


class WaitArguments(Arguments):
    seconds: float = Field(ge=0, le=MAX_WAIT_S, allow_inf_nan=False, description="How long to wait, in seconds.")


def wait() -> TypedTool[WaitArguments]:
    """Return the tool; it waits up to five minutes."""

    async def run(arguments: WaitArguments, _context: ToolCallContext) -> str:
        await asyncio.sleep(arguments.seconds)
        return f"Waited {arguments.seconds:g} seconds."

    description = "Wait for a number of seconds, at most 300."
    return TypedTool("wait", description, WaitArguments, run, annotations=READ_ONLY, timeout_s=MAX_WAIT_S + _RESERVE_S)
