"""The least that can be called a server of token streams: `python -m benchmarks.peers.floor PORT REDIS_URL`.

A Starlette socket that forwards ready frames from one pub/sub connection, which hiredis reads on a bare protocol. It
speaks just enough graphql-transport-ws to be subscribed to; `variables.run` is the channel.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import cast
from urllib.parse import unquote, urlsplit

import hiredis
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from benchmarks.peers.server import serve
from nexent_gql.adapters.redis_multiplexer import encode_command


class Hub(asyncio.Protocol):
    """The pub/sub connection of the process."""

    def __init__(self, password: str) -> None:
        """Log in with `password` when connected."""
        self._password = password
        self._reader = hiredis.Reader()
        self._queues: dict[bytes, set[asyncio.Queue[str]]] = {}
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Log in."""
        self._transport = cast("asyncio.Transport", transport)
        self._command("AUTH", self._password)

    def data_received(self, data: bytes) -> None:
        """Give each message to those who wait for it."""
        self._reader.feed(data)
        while (frame := self._reader.gets()) is not False:
            if isinstance(frame, list):
                kind, channel, payload = cast("list[bytes]", frame)
                if kind == b"message":
                    text = payload.decode()
                    for queue in self._queues.get(channel, ()):
                        queue.put_nowait(text)

    def join(self, channel: bytes, queue: asyncio.Queue[str]) -> None:
        """Listen."""
        if channel not in self._queues:
            self._command("SUBSCRIBE", channel)
        self._queues.setdefault(channel, set()).add(queue)

    def leave(self, channel: bytes, queue: asyncio.Queue[str]) -> None:
        """Listen no more."""
        self._queues[channel].discard(queue)
        if not self._queues[channel]:
            del self._queues[channel]
            self._command("UNSUBSCRIBE", channel)

    def _command(self, *words: str | bytes) -> None:
        if self._transport is not None:
            self._transport.write(encode_command(words))


async def forward(websocket: WebSocket) -> None:
    """Serve one socket until it goes away."""
    hub = cast("Hub", websocket.app.state.hub)
    await websocket.accept("graphql-transport-ws")
    await websocket.receive_text()
    await websocket.send_text('{"type":"connection_ack"}')
    request = await websocket.receive_json()
    channel, queue = request["payload"]["variables"]["run"].encode(), asyncio.Queue[str]()
    hub.join(channel, queue)
    sending = asyncio.create_task(_send(websocket, queue))
    with suppress(WebSocketDisconnect):
        await websocket.receive_text()
    sending.cancel()
    hub.leave(channel, queue)


async def _send(websocket: WebSocket, queue: asyncio.Queue[str]) -> None:
    with suppress(WebSocketDisconnect):
        while True:
            await websocket.send_text(await queue.get())


def create(redis_url: str) -> Starlette:
    """Make the application."""
    url = urlsplit(redis_url)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        loop, hub = asyncio.get_running_loop(), Hub(unquote(url.password or ""))
        if url.scheme == "unix":
            await loop.create_unix_connection(lambda: hub, url.path)
        else:
            await loop.create_connection(lambda: hub, url.hostname or "", url.port or 0)
        app.state.hub = hub
        yield

    return Starlette(routes=[WebSocketRoute("/graphql", forward)], lifespan=lifespan)


if __name__ == "__main__":
    serve(create(sys.argv[2]), int(sys.argv[1]))
