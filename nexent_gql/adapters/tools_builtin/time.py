"""Tools about time: what it is, and letting some of it pass."""

import asyncio
from datetime import datetime
from zoneinfo import ZoneInfo

from pydantic import Field

from nexent_gql.adapters.tools_builtin.tool import Arguments, BuiltinTool, ToolRefusedError

MAX_WAIT_S = 300


class CurrentTime(Arguments):
    """Arguments of `current_time`."""

    timezone: str = Field(
        default="UTC", description="IANA name of a time zone, for example Europe/Berlin.", max_length=64
    )


class Wait(Arguments):
    """Arguments of `wait`."""

    seconds: float = Field(description=f"How long to wait, 0 to {MAX_WAIT_S} seconds.", ge=0, le=MAX_WAIT_S)


async def current_time(arguments: CurrentTime) -> str:
    """Return the date and time in a zone, to the second, with its offset and weekday."""
    try:
        zone = ZoneInfo(arguments.timezone)
    except (KeyError, ValueError, OSError):
        raise ToolRefusedError(f"timezone: {arguments.timezone!r} is not an IANA name such as Asia/Shanghai.") from None
    now = datetime.now(zone)
    return f"{now.isoformat(timespec='seconds')} ({now:%A}, {arguments.timezone})"


async def wait(arguments: Wait) -> str:
    """Let time pass; ends at once when it is cancelled."""
    await asyncio.sleep(arguments.seconds)
    return f"Waited {arguments.seconds:g} seconds."


CURRENT_TIME = BuiltinTool(
    name="current_time",
    description="Tells the current date, time and weekday in a time zone.",
    arguments=CurrentTime,
    run=current_time,
)
WAIT = BuiltinTool(
    name="wait",
    description="Waits for some seconds, then goes on.",
    arguments=Wait,
    run=wait,
    deadline_s=MAX_WAIT_S + 10,
)
