"""Wait: the tool that takes as long as it is told to."""

import asyncio

from pydantic import Field

from nexent_gql.adapters.tools_builtin.tool import Arguments, Tool
from nexent_gql.ports.tools import ToolContext

MAX_WAIT_S = 300
_RESERVE_S = 10


class Wait(Arguments):
    """See `wait`."""

    seconds: float = Field(ge=0, le=MAX_WAIT_S, allow_inf_nan=False, description="How long to wait, in seconds.")


def wait() -> Tool[Wait]:
    """Make the tool that waits up to five minutes; cancelling ends it at once."""

    async def run(asked: Wait, _context: ToolContext) -> str:
        await asyncio.sleep(asked.seconds)
        return f"Waited {asked.seconds:g} seconds."

    return Tool("wait", "Wait for a number of seconds, at most 300.", Wait, run, MAX_WAIT_S + _RESERVE_S)
