"""WebSocket text frames written directly to the connection, without an ASGI send."""

from collections.abc import Callable
from struct import Struct
from typing import cast

from starlette.websockets import WebSocket

from nexent_gql.api.transport.flood import BoundedSocketProtocol

WriteText = Callable[[bytes], bool]
"""Writes a text frame; False when it can't be written now: closed, or the client is slow. Then send it as ever."""

_EXTENSION = "nexent.text"
_FINAL_TEXT = 0x81
_TWO_BYTE_LENGTH, _EIGHT_BYTE_LENGTH = 126, 127
_MAX_TWO_BYTES = 0xFFFF
_SHORT, _MEDIUM, _LONG = Struct("!BB").pack, Struct("!BBH").pack, Struct("!BBQ").pack


class DirectSocketProtocol(BoundedSocketProtocol):
    """Offers its sockets to write text frames without a coroutine; what a token costs is mostly such layers.

    Fit for connections without compression, which `serve` never agrees to.
    """

    async def run_asgi(self) -> None:
        """Run the application, which finds the offer in its scope."""
        self.scope["extensions"] = {**(self.scope.get("extensions") or {}), _EXTENSION: {"write": self._write_text}}
        await super().run_asgi()

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
    """Return what a socket's connection offers; of other servers, one that never can."""
    offered = cast("dict[str, dict[str, WriteText]]", socket.scope.get("extensions") or {})
    return offered.get(_EXTENSION, {}).get("write", _never)


def _never(_text: bytes) -> bool:
    return False
