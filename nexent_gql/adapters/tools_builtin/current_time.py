"""Tell the time."""

from zoneinfo import ZoneInfo

from pydantic import Field

from nexent_gql.adapters.tools_builtin.tool import Arguments, Tool, ToolFailure
from nexent_gql.kernel.clock import Clock
from nexent_gql.ports.tools import ToolContext

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class CurrentTime(Arguments):
    """See `current_time`."""

    timezone: str = Field(
        default="UTC",
        max_length=64,
        description="IANA name of the time zone, for example Asia/Shanghai or Europe/Berlin.",
    )


def current_time(clock: Clock) -> Tool[CurrentTime]:
    """Make the tool that tells date, time and weekday in a time zone."""

    async def run(asked: CurrentTime, _context: ToolContext) -> str:
        now = clock().astimezone(_zone(asked.timezone))
        return f"{now.isoformat(sep=' ', timespec='seconds')} ({_DAYS[now.weekday()]}, {asked.timezone})"

    return Tool("current_time", "Tell the current date, time and weekday in a time zone.", CurrentTime, run)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, not a name at all, a folder of names
        raise ToolFailure(
            f"Argument 'timezone': {name!a} is no IANA time zone; write for example Asia/Shanghai, or UTC."
        ) from None
