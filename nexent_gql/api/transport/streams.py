"""Streamed answers: results in a framing, with heartbeats between them."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext

from graphql import GraphQLError
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from nexent_gql.api.pipeline.masking import internal, refusal
from nexent_gql.api.pipeline.refusals import SessionEndedError
from nexent_gql.api.transport.framing import Framing

_HEADERS = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no", "Vary": "Accept, Authorization"}


class _Pipe:
    """The way to the client, and for how long nothing has gone through it."""

    def __init__(self, send: Send) -> None:
        self.send = send
        self._loop = asyncio.get_running_loop()
        self._idle_since: float | None = self._loop.time()

    @property
    def idle_s(self) -> float:
        """Seconds since the last frame; 0 while one is on its way: a client that does not read needs no heartbeat."""
        return 0.0 if self._idle_since is None else self._loop.time() - self._idle_since

    async def __call__(self, frame: bytes, *, more: bool = True) -> None:
        """Send a frame; waits while the client does not read."""
        self._idle_since = None
        await self.send({"type": "http.response.body", "body": frame, "more_body": more})
        self._idle_since = self._loop.time()


class Stream(StreamingResponse):
    """Sends frames until they end, the client is gone or the caller may not have them any more.

    One task reads the source from start to end and sends what it yields, so that what it opened is closed where it was
    opened, and a client that does not read holds it up. The source is closed whatever happens.

    Args:
        source: The frames between begin and end; or one response that takes the place of the stream, which only a
            framing without heartbeats may have.
        framing: How they are cut out, and what fills silence.
        heartbeat_s: Silence after which a heartbeat is sent.
        valid: Around it all; may raise SessionEndedError, which ends the stream with that error.
    """

    def __init__(
        self,
        source: AsyncGenerator[bytes | Response] | AsyncGenerator[bytes],
        framing: Framing,
        heartbeat_s: float,
        valid: AbstractAsyncContextManager[None] | None = None,
    ) -> None:
        super().__init__((), headers={**_HEADERS, "Content-Type": framing.media})
        self._source = source
        self._framing = framing
        self._heartbeat_s = heartbeat_s
        self._valid = valid or nullcontext()
        self._has_begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send everything, watching the client."""
        pipe = _Pipe(send)
        tasks = asyncio.create_task(self._send_all(scope, receive, pipe)), asyncio.create_task(_gone(receive))
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

    async def _send_all(self, scope: Scope, receive: Receive, pipe: _Pipe) -> None:
        """Send the frames, or the one response that the source yields instead."""
        if self._framing.heartbeat:
            await self._begin(pipe)
        try:
            async with self._valid, aclosing(self._source) as frames:
                async for frame in frames:
                    if isinstance(frame, Response):
                        await frame(scope, receive, pipe.send)
                        return
                    await self._begin(pipe)
                    await pipe(frame)
        except SessionEndedError as ended:
            await self._fail(pipe, refusal(ended))
        except Exception as error:  # noqa: BLE001 - the stream may have begun, so this is where a bug is reported
            await self._fail(pipe, internal(error))
        await self._begin(pipe)
        await pipe(self._framing.end, more=False)

    async def _begin(self, pipe: _Pipe) -> None:
        if self._has_begun:
            return
        self._has_begun = True
        await pipe.send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if self._framing.begin:
            await pipe(self._framing.begin)

    async def _fail(self, pipe: _Pipe, error: GraphQLError) -> None:
        await self._begin(pipe)
        await pipe(self._framing.answer({"errors": [error.formatted]}))


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
