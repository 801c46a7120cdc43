"""Waiting for several things at once."""

import asyncio
from collections.abc import Awaitable, Iterable


async def all_ended(work: Iterable[Awaitable[object]]) -> None:
    """Wait until all of it has ended, then raise the error of the first that failed, in the order given."""
    for outcome in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
