"""Waiting for something to become true."""

import asyncio
from collections.abc import Callable


async def eventually(holds: Callable[[], bool], within_s: float = 30.0) -> None:
    """Return as soon as `holds`; fail when it does not in time."""
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110 - the thing waited for knows nothing of us
            await asyncio.sleep(0.01)
