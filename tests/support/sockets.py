"""graphql-transport-ws, frame by frame."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin, Subprotocol

from tests.support.api_server import Api

Frame = dict[str, Any]


class Socket:
    """A socket that speaks frames."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, frame: object) -> None:
        await self.connection.send(frame if isinstance(frame, str) else json.dumps(frame))

    async def receive(self) -> Frame:
        async with asyncio.timeout(5):
            return json.loads(await self.connection.recv())

    async def subscribe(self, id_: str, query: str, **variables: object) -> None:
        payload = {"query": query, "variables": variables}
        await self.send({"id": id_, "type": "subscribe", "payload": payload})

    async def all_of(self, id_: str) -> list[Frame]:
        """Return an operation's frames, its last one included."""
        frames: list[Frame] = []
        while not frames or frames[-1]["type"] == "next":
            frame = await self.receive()
            assert frame["id"] == id_
            frames.append(frame)
        return frames

    async def closed(self) -> tuple[int, str]:
        """Return code and reason with which the server closes."""
        try:
            while True:
                await self.receive()
        except ConnectionClosed as closed:
            return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")


@asynccontextmanager
async def opened(
    api: Api, *, origin: str | None = None, protocol: str = "graphql-transport-ws"
) -> AsyncGenerator[Socket]:
    url = api.url.replace("http://", "ws://")
    async with connect(
        url,
        subprotocols=[Subprotocol(protocol)],
        origin=Origin(origin) if origin else None,
        proxy=None,
        max_size=None,
        ping_interval=None,
    ) as connection:
        yield Socket(connection)


@asynccontextmanager
async def ready(api: Api, token: str | None = "developer") -> AsyncGenerator[Socket]:
    async with opened(api) as socket:
        payload = {"Authorization": f"Bearer {token}"} if token else {}
        await socket.send({"type": "connection_init", "payload": payload})
        assert await socket.receive() == {"type": "connection_ack"}
        yield socket
