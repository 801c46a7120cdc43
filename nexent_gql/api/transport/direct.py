"""WebSocket text frames written directly to the connection, without an ASGI send."""

from collections.abc import Callable
from struct import Struct
from typing import cast

from starlette.websockets import WebSocket

from nexent_gql.api.transport.flood import BoundedSocketProtocol

WriteText = Callable[[bytes], bool]
"""Writes a text frame; returns False when the socket is closed or the client is slow: then use ASGI's send."""

_EXTENSION = "nexent.text"
_FINAL_TEXT = 0x81
_TWO_BYTE_LENGTH, _EIGHT_BYTE_LENGTH = 126, 127
_MAX_TWO_BYTES = 0xFFFF
_SHORT, _MEDIUM, _LONG = Struct("!BB").pack, Struct("!BBH").pack, Struct("!BBQ").pack


class DirectSocketProtocol(BoundedSocketProtocol):
    """Lets sockets write text frames without a coroutine, which saves most of the cost of a token.

    Only for connections without compression, which the server never negotiates.
    """

    async def run_asgi(self) -> None:
        """Run the application with the writer in its scope."""
        extensions = self.scope["extensions"] = dict(self.scope.get("extensions") or {})
        extensions[_EXTENSION] = {"write": self._write_text}
        try:
            await super().run_asgi()
        finally:
            del extensions[_EXTENSION]  # it refers to this object: without the cycle both are freed at once

    def _write_text(self, text: bytes) -> bool:
        if self.close_sent or self.transport.is_closing() or not self.writable.is_set():
            return False
        length = len(text)
        if length < _TWO_BYTE_LENGTH:
            head = _SHORT(_FINAL_TEXT, length)
        elif length <= _MAX_TWO_BYTES:
            head = _MEDIUM(_FINAL_TEXT, _TWO_BYTE_LENGTH, length)
        else:
            head = _LONG(_FINAL_TEXT, _EIGHT_BYTE_LENGTH, length)
        self.transport.write(head + text)
        return True


def writer_of(socket: WebSocket) -> WriteText:
    """Return the writer of a socket's connection; with other servers, one that always returns False."""
    offered = cast("dict[str, dict[str, WriteText]]", socket.scope.get("extensions") or {})
    return offered.get(_EXTENSION, {}).get("write", _never)


def _never(_text: bytes) -> bool:
    return False
