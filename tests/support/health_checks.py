"""Whether an installation is well: its event loops turn, and subscriptions end with their clients."""

import asyncio
import json
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

from nexent_gql.telemetry.loop import LIMIT_MS
from tests.support.engines import redis_command


def assert_healthy(state_dir: Path, *, is_running: bool) -> None:
    """Fail when a loop was blocked since an installation began, or somebody still listens while it runs."""
    assert too_long(blocked_loops(state_dir)) == []
    if is_running:
        with ThreadPoolExecutor(1) as thread:  # the caller may have a loop of its own
            thread.submit(asyncio.run, nobody_listens(state_dir)).result()


def blocked_loops(state_dir: Path) -> list[str]:
    """Return all lines in which a process of an installation tells that its event loop stood still."""
    logs = sorted((state_dir / "log").glob("*.log"))
    return [line for log in logs for line in log.read_text().splitlines() if "loop.blocked" in line]


def too_long(lines: Iterable[str]) -> list[str]:
    """Return those of such lines that the machine does not explain.

    A process has its share of a busy machine's cores only: what takes 200 ms alone takes as many times longer as there
    are others who want the core.
    """
    limit_ms = LIMIT_MS * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    return [line for line in lines if _blocked_ms(json.loads(line)) > limit_ms]


def _blocked_ms(event: dict[str, float]) -> float:
    """Return how long the loop stood still; nothing for a process that had no core for longer than that."""
    return event["ms"] if event["starved_ms"] < event["ms"] else 0.0


async def nobody_listens(state_dir: Path, within_s: float = 5.0) -> None:
    """Wait until Redis knows of no subscriber to any topic; fail when one stays."""
    facts = cast("dict[str, str]", json.loads((state_dir / "connection.json").read_text()))
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + within_s
    while topics := await topics_heard(facts["redis_url"]):
        assert loop.time() < give_up_at, f"somebody still listens to {topics}"
        await asyncio.sleep(0.02)


async def topics_heard(redis_url: str) -> list[str]:
    """Return the channels of all topics that clients listen to; servers themselves listen to revocations."""
    channels = cast("list[str]", await redis_command(redis_url, "PUBSUB", "CHANNELS", "nx:{*"))
    return [channel for channel in channels if not channel.startswith("nx:{identity/")]
