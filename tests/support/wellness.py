"""Whether an installation is well: its event loops turn, and subscriptions end with their clients."""

import asyncio
import json
from typing import cast

from tests.support.engines import redis_command
from tests.support.installation import Installation


def blocked_loops(house: Installation) -> list[str]:
    """Return all lines in which a process of the installation tells that its event loop stood still.

    Without those of a process that had no core for longer than that: a machine so busy stops everybody.
    """
    logs = sorted((house.state_dir / "log").glob("*.log"))
    told = [line for log in logs for line in log.read_text().splitlines() if "loop.blocked" in line]
    return [line for line in told if not _was_starved(json.loads(line))]


def _was_starved(event: dict[str, float]) -> bool:
    return event["starved_ms"] > event["ms"]


async def nobody_listens(house: Installation, within_s: float = 5.0) -> None:
    """Wait until Redis knows of no subscriber to any topic; fail when one stays."""
    facts = cast("dict[str, str]", json.loads((house.state_dir / "connection.json").read_text()))
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + within_s
    while topics := await topics_heard(facts["redis_url"]):
        assert loop.time() < give_up_at, f"somebody still listens to {topics}"
        await asyncio.sleep(0.02)


async def topics_heard(redis_url: str) -> list[str]:
    """Return the channels of all topics that clients listen to; servers themselves listen to revocations."""
    channels = cast("list[str]", await redis_command(redis_url, "PUBSUB", "CHANNELS", "nx:{*"))
    return [channel for channel in channels if not channel.startswith("nx:{identity/")]
