"""Waiting for several things at once."""

import asyncio
from collections.abc import Awaitable, Iterable


async def all_ended(work: Iterable[Awaitable[object]]) -> None:
    """Wait until all of it has ended, then raise the first error there was; nothing goes on behind the caller."""
    for outcome in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
