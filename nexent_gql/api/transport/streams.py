"""Answers that go on: results in a framing, with heartbeats between them."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from nexent_gql.api.masking import internal, refusal
from nexent_gql.api.refusals import SessionEndedError
from nexent_gql.api.transport.framing import Framing

_HEADERS = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no", "Vary": "Accept, Authorization"}


class _Pipe:
    """The way to the client, and for how long nothing has gone through it."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._idle_since: float | None = self._loop.time()

    @property
    def idle_s(self) -> float:
        """Seconds since the last frame; 0 while one is on its way: a client that does not read needs no heartbeat."""
        return 0.0 if self._idle_since is None else self._loop.time() - self._idle_since

    async def __call__(self, frame: bytes, *, more: bool = True) -> None:
        """Send a frame; waits while the client does not read."""
        self._idle_since = None
        await self._send({"type": "http.response.body", "body": frame, "more_body": more})
        self._idle_since = self._loop.time()


class Stream(StreamingResponse):
    """Sends frames until they end, the client is gone or the caller may not have them any more.

    One task reads the source from start to end and sends what it yields, so that what it opened is closed where it was
    opened, and a client that does not read holds it up. The source is closed whatever happens.

    Args:
        source: The frames between begin and end.
        framing: How they are cut out, and what fills silence.
        heartbeat_s: Silence after which a heartbeat is sent.
        valid: Around it all; may raise SessionEndedError, which ends the stream with that error.
    """

    def __init__(
        self,
        source: AsyncGenerator[bytes],
        framing: Framing,
        heartbeat_s: float,
        valid: AbstractAsyncContextManager[None] | None = None,
    ) -> None:
        super().__init__(source, headers={**_HEADERS, "Content-Type": framing.media})
        self._source = source
        self._framing = framing
        self._heartbeat_s = heartbeat_s
        self._valid = valid or nullcontext()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        """Send everything, watching the client."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        pipe = _Pipe(send)
        tasks = asyncio.create_task(self._send_frames(pipe)), asyncio.create_task(_gone(receive))
        try:
            await self._beat_until(tasks, pipe)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _beat_until(self, tasks: tuple["asyncio.Task[None]", ...], pipe: _Pipe) -> None:
        """Return when one of the tasks is done; until then, fill silence."""
        heartbeat = self._framing.heartbeat
        while True:
            wait_s = self._heartbeat_s - pipe.idle_s if heartbeat else None
            done, _ = await asyncio.wait(tasks, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
            if done:
                return
            if pipe.idle_s >= self._heartbeat_s:
                await pipe(heartbeat)

    async def _send_frames(self, pipe: _Pipe) -> None:
        framing = self._framing
        if framing.begin:
            await pipe(framing.begin)
        try:
            async with self._valid, aclosing(self._source) as frames:
                async for frame in frames:
                    await pipe(frame)
        except SessionEndedError as ended:
            await pipe(framing.answer({"errors": [refusal(ended).formatted]}))
        except Exception as error:  # noqa: BLE001 - the stream has begun, so this is where a bug can still be told
            await pipe(framing.answer({"errors": [internal(error).formatted]}))
        await pipe(framing.end, more=False)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
