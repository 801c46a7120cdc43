"""A time limit for answers that does not count the slowness of the event loop itself."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

TURNS = 10


@asynccontextmanager
async def loop_timeout(limit_s: float) -> AsyncGenerator[None]:
    """Limit a block to `limit_s` seconds, and to at least `TURNS` turns of the event loop.

    An answer needs some turns of the loop to be read. On a loop that is busy, or a process that has no processor, the
    limit would pass within one or two of them although the answer has arrived. So the limit is counted in parts: each
    ends with a turn of the loop, and takes a tenth of the limit or, if the loop is late, that turn.

    Raises:
        TimeoutError: The limit has passed.
    """
    loop = asyncio.get_running_loop()
    turns = 0

    def count_turn() -> None:
        nonlocal turns, timer
        turns += 1
        if turns < TURNS:
            timer = loop.call_later(limit_s / TURNS, count_turn)
        else:
            limit.reschedule(loop.time())

    async with asyncio.timeout(None) as limit:
        timer = loop.call_later(limit_s / TURNS, count_turn)
        try:
            yield
        finally:
            timer.cancel()
