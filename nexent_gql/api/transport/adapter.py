"""Adapts a WebSocket to Strawberry's handler: JSON messages in and out."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.http.exceptions import WebSocketDisconnected

from nexent_gql.api.encoding import encode
from nexent_gql.api.limits.connection_limits import TokenBucket
from nexent_gql.api.pipeline.refusals import BadRequestError, PayloadTooLargeError, TooManyMessagesError
from nexent_gql.api.transport.body import decode
from nexent_gql.api.transport.frames import close_reason
from nexent_gql.kernel.json import Json

if TYPE_CHECKING:
    from nexent_gql.api.transport.socket import SocketView

BAD_MESSAGE = 4400
TOO_LONG = 1009
TOO_FAST = 1008


class SocketAdapter(ASGIWebSocketAdapter):
    """Reads and writes text frames; closes the socket with a reason on an invalid one."""

    ws: WebSocket
    view: "SocketView"

    async def iter_json(self, *, ignore_parsing_errors: bool = False) -> AsyncGenerator[object]:  # noqa: ARG002 - base
        """Yield each message until the socket closes."""
        sockets = self.view.pipeline.settings.sockets
        bucket = TokenBucket(sockets.burst, sockets.messages_per_s)
        while self.ws.application_state is WebSocketState.CONNECTED:
            message = await self.ws.receive()
            if message["type"] == "websocket.disconnect":
                return
            if not bucket.take():
                await self.close(TOO_FAST, f"{TooManyMessagesError.code}: at most {sockets.messages_per_s:g} a second")
                return
            try:
                value = self._read(message.get("text"))
            except BadRequestError as error:
                await self.close(BAD_MESSAGE, error.message)
            except PayloadTooLargeError as error:
                await self.close(TOO_LONG, error.message)
            else:
                yield value

    def _read(self, text: object) -> Json:
        limits = self.view.pipeline.settings.limits
        if not isinstance(text, str):
            raise BadRequestError("A message must be text")
        if len(text) > limits.message_bytes or len(text.encode()) > limits.message_bytes:
            raise PayloadTooLargeError(f"A message has at most {limits.message_bytes} bytes")
        return decode(text, limits.json_depth)

    async def send_json(self, message: Mapping[str, object]) -> None:
        """Send one text frame; see `send_encoded`."""
        await self.send_encoded(encode(message))

    async def send_encoded(self, frame: bytes) -> None:
        """Send one text frame with encoded JSON.

        Raises:
            WebSocketDisconnected: The client or the server has closed the socket.
        """
        try:
            await self.ws.send({"type": "websocket.send", "text": frame.decode()})
        except (WebSocketDisconnect, RuntimeError) as error:
            raise WebSocketDisconnected from error

    async def close(self, code: int, reason: str) -> None:
        if self.ws.application_state is WebSocketState.CONNECTED:
            with suppress(WebSocketDisconnect, RuntimeError):
                await self.ws.close(code, close_reason(reason))
