"""HTTP/1.1 connections: uvicorn's protocol with limits and deadlines, and without its handling of upgrades."""

from asyncio import TimerHandle, Transport
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import httptools
from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendEvent, Scope
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from nexent_gql.api.transport.connections import ConnectionRegistry
from nexent_gql.api.transport.flood import BoundedSocketProtocol

FILES_PATH = b"/files/"
_LINGER_S = 2.0
_UNREAD_BODY_S = 5.0
_BODY_HEADERS = frozenset({b"content-length", b"transfer-encoding"})
_TIMEOUT, _HEADERS_TOO_LARGE, _METHOD_NOT_ALLOWED, _BAD_REQUEST = 408, 431, 405, 400


class HttpProtocol(HttpToolsProtocol):
    """One connection.

    - An `Upgrade` that is not a WebSocket handshake is ignored, as RFC 9110, 7.8 allows; uvicorn would drop the body
      and parse it as the next request.
    - Headers, bodies and pauses between requests have deadlines, and headers a size limit.
    - Connections beyond the limits are answered with 503 or 429 and closed.
    - Answers to HTTP/1.0 are not chunked.
    - A connection that is closed while its request is still arriving is read for a moment, so that the answer is not
      lost to a reset (RFC 9112, 9.6).
    """

    def __init__(
        self,
        connections: ConnectionRegistry,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: Any = None,  # noqa: ANN401 - uvicorn's
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._registry = connections
        self._release: Callable[[], None] | None = None
        self._deadline: TimerHandle | None = None
        self._awaits_head = True
        self._head_bytes = 0
        self._requests = 0
        self._discards = False

    def connection_made(self, transport: Transport) -> None:
        """Count the connection, and wait for its first request."""
        super().connection_made(transport)
        peer = self.client[0] if self.client else None
        status = self._registry.acquire(peer)
        if status is not None:
            self._refuse(status)
            return
        self._release = partial(self._registry.release, peer)
        self._set_deadline(self._registry.limits.header_s, self._head_timed_out)

    def connection_lost(self, exc: Exception | None) -> None:
        """Release what the connection holds."""
        self._clear_deadline()
        if self._release is not None:
            self._release()
            self._release = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._discards:
            return
        self._unset_keepalive_if_required()
        if self._awaits_head and self._deadline is None:
            self._set_deadline(self._registry.limits.header_s, self._head_timed_out)
        requests = self._requests
        try:
            self._parse(memoryview(data))
        except httptools.HttpParserError:
            self._refuse(_BAD_REQUEST)
            return
        if self._awaits_head and requests == self._requests and not self._discards:
            self._head_bytes += len(data)  # all of it, since no message began or ended in it
            if self._head_bytes > self._registry.limits.header_bytes:
                self._refuse(_HEADERS_TOO_LARGE)

    def _parse(self, data: memoryview) -> None:
        while not self._discards:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = data[cast("int", upgrade.args[0]) :]
                if self._should_upgrade():
                    self.handle_websocket_upgrade()
                    return
                self._parse_without_upgrade()
            else:
                return

    def _parse_without_upgrade(self) -> None:
        """Parse the head again without `Upgrade`, so that the body is read normally."""
        method = self.parser.get_method()
        if method == b"CONNECT":
            self._refuse(_METHOD_NOT_ALLOWED)
            return
        lines = [b"%b %b HTTP/%b" % (method, self.url, self.parser.get_http_version().encode())]
        lines += [b"%b: %b" % (name, value) for name, value in map(_without_upgrade, self.headers) if value is not None]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.parser.feed_data(b"\r\n".join([*lines, b"", b""]))

    def on_headers_complete(self) -> None:
        """Begin the request; a request with an upgrade other than WebSocket begins when it is parsed again."""
        self._awaits_head, self._head_bytes = False, 0
        self._requests += 1
        self._set_deadline(self._registry.body_s, self.transport.close)
        if not self.parser.should_upgrade() or self._should_upgrade():
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Hand a part of the body on; after the answer it is dropped.

        The content of files may take long: its route has deadlines of its own, for each part and for all.
        """
        if self.url.startswith(FILES_PATH) and self._has_cycle and not self.cycle.response_complete:
            self._set_deadline(self._registry.body_s, self.transport.close)
        if self._has_cycle:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Wait for the next request."""
        self._clear_deadline()
        self._awaits_head = True
        self._requests += 1
        if self.parser.should_upgrade():
            return
        if self.cycle.response_complete and not self.transport.is_closing():
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Continue with the next request; the rest of an unread body may arrive for a moment."""
        super().on_response_complete()
        if not self._awaits_head and self.cycle.response_complete:
            self._set_deadline(_UNREAD_BODY_S, self.transport.close)

    def handle_websocket_upgrade(self) -> None:
        """Pass the connection to the WebSocket protocol, which counts it from now on."""
        self._clear_deadline()
        super().handle_websocket_upgrade()
        del self.parser  # it refers to this object: without the cycle both are freed at once
        protocol = self.transport.get_protocol()
        if isinstance(protocol, BoundedSocketProtocol):
            protocol.on_closed, self._release = self._release, None

    @property
    def _has_cycle(self) -> bool:
        return cast("RequestResponseCycle | None", self.cycle) is not None  # None until the first request

    def _should_upgrade(self) -> bool:
        """Return whether the request is a valid WebSocket handshake: a GET of HTTP/1.1 without a body."""
        is_busy = self._has_cycle and not self.cycle.response_complete
        return (
            not is_busy
            and self.parser.get_method() == b"GET"
            and self.parser.get_http_version() == "1.1"
            and super()._should_upgrade()
            and not any(name in _BODY_HEADERS and value != b"0" for name, value in self.headers)
        )

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        async def adapted(scope: Scope, receive: ASGIReceiveCallable, _send: object) -> None:
            await app(scope, receive, partial(self._send, cycle))

        # Only the last request of a connection differs; HTTP/1.0 has only one.
        super()._start_asgi_task(cycle, app if cycle.keep_alive else cast("ASGI3Application", adapted))

    async def _send(self, cycle: RequestResponseCycle, message: ASGISendEvent) -> None:
        """Send a part of an answer."""
        is_unframed = cycle.scope["http_version"] == "1.0"
        if message["type"] == "http.response.start":
            if is_unframed and not any(name.lower() == b"content-length" for name, _ in message.get("headers", ())):
                cycle.chunked_encoding = False  # the end of the connection is the end of the body
        elif message["type"] == "http.response.body":
            if is_unframed and cycle.expected_content_length == 0:
                cycle.expected_content_length = len(message.get("body", b""))
            if not message.get("more_body", False) and cycle.more_body and not cycle.keep_alive:
                cycle.keep_alive = True  # or uvicorn would close at once
                await cycle.send(message)
                self._linger()
                return
        await cycle.send(message)

    def _refuse(self, status: int) -> None:
        """Send an error and close; a response in progress is aborted."""
        if self._has_cycle and not self.cycle.response_complete:
            self._discards = True
            self.transport.close()
            return
        self.transport.write(STATUS_LINE[status] + b"content-length: 0\r\nconnection: close\r\n\r\n")
        self._linger()

    def _linger(self) -> None:
        """Close the write side, and the connection when the client has closed or the time is over."""
        self._discards = True
        self._unset_keepalive_if_required()
        if self.transport.is_closing():
            return
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self._set_deadline(_LINGER_S, self.transport.close)

    def _head_timed_out(self) -> None:
        self._refuse(_TIMEOUT)

    def _set_deadline(self, seconds: float, end: Callable[[], None]) -> None:
        self._clear_deadline()
        self._deadline = self.loop.call_later(seconds, end)

    def _clear_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _without_upgrade(header: tuple[bytes, bytes]) -> tuple[bytes, bytes | None]:
    name, value = header
    if name == b"upgrade":
        return name, None
    if name == b"connection":
        tokens = [token.strip() for token in value.split(b",")]
        other_tokens = b", ".join(token for token in tokens if token.lower() not in (b"", b"upgrade"))
        return name, other_tokens or None
    return name, value
