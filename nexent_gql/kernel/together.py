"""Waits for several awaitables."""

import asyncio
from collections.abc import Awaitable, Iterable


async def all_ended(work: Iterable[Awaitable[object]]) -> None:
    """Wait until all have ended, then raise the first error, in the order of the arguments."""
    for outcome in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
