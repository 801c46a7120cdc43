"""Answers that go on: results in a framing, with heartbeats between them."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from starlette.responses import StreamingResponse
from starlette.types import Send

from nexent_gql.api.masking import internal
from nexent_gql.api.transport.framing import Framing

_HEADERS = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no", "Vary": "Accept, Authorization"}


async def with_heartbeats(source: AsyncGenerator[bytes], framing: Framing, interval_s: float) -> AsyncGenerator[bytes]:
    """Pass on what `source` yields, with a heartbeat whenever it is silent; closes it whatever happens.

    One task reads the source from start to end, so that what it opened is closed where it was opened.
    """
    waiting: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=1)

    async def pump() -> None:
        try:
            async with aclosing(source):
                async for frame in source:
                    await waiting.put(frame)
        except Exception as error:  # noqa: BLE001 - the stream has begun, so this is where a bug can still be told
            await waiting.put(framing.answer({"errors": [internal(error).formatted]}))
        await waiting.put(framing.end)
        await waiting.put(None)

    task = asyncio.create_task(pump())
    try:
        if framing.begin:
            yield framing.begin
        while True:
            try:
                async with asyncio.timeout(interval_s if framing.heartbeat else None):
                    frame = await waiting.get()
            except TimeoutError:
                yield framing.heartbeat
                continue
            if frame is None:
                return
            yield frame
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


class Stream(StreamingResponse):
    """Sends frames until they end or the client is gone, and then closes their source at once."""

    def __init__(self, frames: AsyncGenerator[bytes], media: str) -> None:
        super().__init__(frames, headers={**_HEADERS, "Content-Type": media})
        self._frames = frames

    async def stream_response(self, send: Send) -> None:
        """Send, then close."""
        async with aclosing(self._frames):
            await super().stream_response(send)
