"""Server-sent events, distinct connections mode: one stream for one operation.

Each event carries as its id the cursor that its payload names, so that a browser knows where it stopped.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress

from starlette.responses import StreamingResponse
from starlette.types import Send

from nexent_gql.api.encoding import Rendered, cursor_of, encode
from nexent_gql.api.masking import internal
from nexent_gql.api.transport.accept import EVENTS

HEARTBEAT = b":\n\n"
COMPLETE = b"event: complete\ndata:\n\n"
_HEADERS = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no", "Vary": "Accept, Authorization"}


def next_event(answer: Mapping[str, object]) -> bytes:
    """Frame one result."""
    return rendered_event(Rendered(encode(answer), cursor_of(answer.get("data"))))


def rendered_event(rendered: Rendered) -> bytes:
    """Frame a result that is JSON already; it has no raw newlines, so one `data` line always holds it."""
    head = f"event: next\nid: {rendered.cursor}\n" if rendered.cursor else "event: next\n"
    return b"%b%b%b\n\n" % (head.encode(), b"data: ", rendered.payload)


async def with_heartbeats(source: AsyncGenerator[bytes], interval_s: float) -> AsyncGenerator[bytes]:
    """Pass on what `source` yields, with a comment whenever it is silent; closes it whatever happens.

    One task reads the source from start to end, so that what it opened is closed where it was opened.
    """
    waiting: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=1)

    async def pump() -> None:
        try:
            async with aclosing(source):
                async for frame in source:
                    await waiting.put(frame)
        except Exception as error:  # noqa: BLE001 - the stream has begun, so this is where a bug can still be told
            await waiting.put(next_event({"errors": [internal(error).formatted]}))
            await waiting.put(COMPLETE)
        await waiting.put(None)

    task = asyncio.create_task(pump())
    try:
        while True:
            try:
                async with asyncio.timeout(interval_s):
                    frame = await waiting.get()
            except TimeoutError:
                yield HEARTBEAT
                continue
            if frame is None:
                return
            yield frame
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


class EventStream(StreamingResponse):
    """Sends frames until they end or the client is gone, and then closes their source at once."""

    def __init__(self, frames: AsyncGenerator[bytes]) -> None:
        super().__init__(frames, headers=_HEADERS, media_type=f"{EVENTS}; charset=utf-8")
        self._frames = frames

    async def stream_response(self, send: Send) -> None:
        """Send, then close."""
        async with aclosing(self._frames):
            await super().stream_response(send)
