"""Streamed responses: framed results with heartbeats in between."""

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
    """Sends to the client, and measures the time since the last frame."""

    def __init__(self, send: Send) -> None:
        self.send = send
        self._loop = asyncio.get_running_loop()
        self._idle_since: float | None = self._loop.time()

    @property
    def idle_s(self) -> float:
        """Seconds since the last frame; 0 during a send, because a client that does not read needs no heartbeat."""
        return 0.0 if self._idle_since is None else self._loop.time() - self._idle_since

    async def __call__(self, frame: bytes, *, more: bool = True) -> None:
        """Send a frame; waits while the client does not read."""
        self._idle_since = None
        await self.send({"type": "http.response.body", "body": frame, "more_body": more})
        self._idle_since = self._loop.time()


class Stream(StreamingResponse):
    """Sends frames until they end, the client disconnects or the caller's credential ends.

    One task reads the source from start to end and sends its frames, so that its resources are closed in the task that
    opened them, and a client that does not read applies backpressure. The source is always closed.

    Args:
        source: The frames between begin and end; or one response instead of the stream, only for a framing without
            heartbeats.
        framing: The format of frames and heartbeats.
        heartbeat_s: Seconds without a frame after which a heartbeat is sent.
        valid: A context manager around everything; SessionEndedError ends the stream with that error.
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
        """Send everything until the client disconnects."""
        pipe = _Pipe(send)
        tasks = asyncio.create_task(self._send_all(scope, receive, pipe)), asyncio.create_task(_gone(receive))
        try:
            await self._beat_until(tasks, pipe)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _beat_until(self, tasks: tuple["asyncio.Task[None]", ...], pipe: _Pipe) -> None:
        """Send heartbeats until one of the tasks is done."""
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
        except Exception as error:  # noqa: BLE001 - the stream may have begun, so bugs are reported here
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
