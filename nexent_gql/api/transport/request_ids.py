"""Request ids, in a response header and in every log line of the request."""

import os
import re
from typing import cast

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nexent_gql.api.transport.proxies import TrustedProxies

HEADER = "X-Request-Id"
_NAME = HEADER.lower().encode()
_VALID = re.compile(rb"[A-Za-z0-9._-]{1,100}")
_STARTS = frozenset({"http.response.start", "websocket.accept"})


class RequestIds:
    """ASGI middleware that gives each request and socket an id.

    An `X-Request-Id` from a trusted proxy is kept; any other is replaced.
    """

    def __init__(self, app: ASGIApp, trusted: TrustedProxies) -> None:
        self._app = app
        self._trusted = trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the application with the id in the log's context and in the response's headers."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        request_id = self._of_proxy(scope) or os.urandom(12).hex().encode()

        async def send_with_id(message: Message) -> None:
            if message["type"] in _STARTS:
                message["headers"] = [*message.get("headers", ()), (_NAME, request_id)]
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id.decode()):
            await self._app(scope, receive, send_with_id)

    def _of_proxy(self, scope: Scope) -> bytes | None:
        client = cast("tuple[str, int] | None", scope.get("client"))
        if client is None or not self._trusted.trusts(client[0]):
            return None
        headers = cast("list[tuple[bytes, bytes]]", scope["headers"])
        return next((value for name, value in headers if name == _NAME and _VALID.fullmatch(value)), None)
