"""The tool `current_time`: date, time and weekday."""

import asyncio
from zoneinfo import ZoneInfo

from pydantic import Field

from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.timezones import MAX_NAME_CHARS, find_timezone
from nexent_gql.ports.tools import ToolCallContext
from nexent_gql.toolkit import READ_ONLY, Arguments, ToolFailure, TypedTool

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class CurrentTimeArguments(Arguments):
    timezone: str | None = Field(
        default=None,
        max_length=MAX_NAME_CHARS,
        description="IANA name of the time zone in any case, for example Asia/Shanghai or Europe/Berlin. Default: the "
        "user's time zone.",
    )


def current_time(clock: Clock) -> TypedTool[CurrentTimeArguments]:
    """Return the tool."""

    async def run(arguments: CurrentTimeArguments, context: ToolCallContext) -> str:
        zone = await _find(context.time_zone if arguments.timezone is None else arguments.timezone)
        now = clock().astimezone(zone)
        return f"{now.isoformat(sep=' ', timespec='seconds')} ({_DAYS[now.weekday()]}, {zone.key})"

    description = "Tell the current date, time and weekday in a time zone."
    return TypedTool("current_time", description, CurrentTimeArguments, run, annotations=READ_ONLY)


async def _find(name: str) -> ZoneInfo:
    zone = await asyncio.to_thread(find_timezone, name)
    if zone is None:
        raise ToolFailure(
            f"Argument 'timezone': {name!a} is not an IANA time zone; write for example Asia/Shanghai, or UTC."
        )
    return zone
