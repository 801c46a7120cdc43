"""Archives of runs are written and read beside the event loop."""

import asyncio
import os

from nexent_gql.domains.runs import events
from nexent_gql.ports.events import Entry


async def test_the_loop_goes_on_while_a_long_run_is_packed_and_unpacked() -> None:
    text = os.urandom(4_000).hex()
    entries = [Entry(seq=n, attempt=1, at_ms=n, body={"kind": "text", "text": text}) for n in range(1, 2_001)]
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.create_task(count_turns())
    await asyncio.sleep(0)
    packed = await events.pack(entries)
    assert turns > 10
    turns = 0
    assert len(await events.unpack(packed)) == len(entries)
    assert turns > 10
    counting.cancel()
