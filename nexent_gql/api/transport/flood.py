"""A WebSocket protocol that parses what a client sends in small slices, and stops after the close."""

from asyncio import TimerHandle
from asyncio.transports import BaseTransport
from collections.abc import Callable

from uvicorn._types import ASGIReceiveEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_SLICE_BYTES = 2_048
_FAREWELL_BYTES = 4_096
_PAUSE_S = 0.1
_QUIET_S = 0.5


class BoundedSocketProtocol(WebSocketsSansIOProtocol):
    """Feeds uvicorn's protocol in small slices, and drops input after the socket was closed.

    A read has up to 256 kB, which may be 20,000 frames, and uvicorn parses all of a read before the application sees
    the first one, at 10 us each; it continues to parse after the close, until the client has closed too. Here it gets
    the next slice when the application has taken all messages of the previous one, and after the close as much as a
    well-behaved client may have sent meanwhile. The rest is dropped unparsed, ten reads a second. The connection ends
    when no more input arrives, or after the 10 s that uvicorn waits: an immediate reset could overtake the close frame.
    """

    def connection_made(self, transport: BaseTransport) -> None:
        """Start with an empty buffer."""
        self._buffer = bytearray()
        self.on_closed: Callable[[], None] | None = None
        self._farewell_bytes = _FAREWELL_BYTES
        self._lull: TimerHandle | None = None
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Call `on_closed`."""
        if self.on_closed is not None:
            self.on_closed()
            self.on_closed = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Buffer received bytes."""
        self._buffer += data
        self._hand_on()

    async def receive(self) -> ASGIReceiveEvent:
        """Return the next message; after the last one of a slice, feed the next slice."""
        message = await super().receive()
        self._hand_on()
        return message

    def _hand_on(self) -> None:
        while self._buffer and not self.read_paused and not self.transport.is_closing():
            if self._farewell_bytes <= 0:
                self._drop()
                return
            part = bytes(self._buffer[:_SLICE_BYTES])
            del self._buffer[:_SLICE_BYTES]
            if self.close_sent:
                self._farewell_bytes -= len(part)
            super().data_received(part)
            if self.conn.handshake_exc is not None and not self.handshake_complete:
                self._refuse_handshake()

    def _refuse_handshake(self) -> None:
        """Refuse an invalid handshake; uvicorn would leave it open and fail at shutdown."""
        self.handshake_complete = self.close_sent = True
        self._buffer.clear()
        self.transport.write(b"".join(self.conn.data_to_send()) or _BAD_REQUEST)
        self.transport.close()

    def _drop(self) -> None:
        self._buffer.clear()
        self.transport.pause_reading()
        if self._lull is not None:
            self._lull.cancel()
        self._lull = self.loop.call_later(_PAUSE_S, self._look_again)

    def _look_again(self) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()
            self._lull = self.loop.call_later(_QUIET_S, self.transport.close)
