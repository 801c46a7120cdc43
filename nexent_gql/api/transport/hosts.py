"""Allowed host names of the server."""

from collections.abc import Sequence
from typing import cast

from starlette.types import ASGIApp, Receive, Scope, Send

from nexent_gql.api.pipeline.refusals import HostNotAllowedError
from nexent_gql.api.transport.answers import refused
from nexent_gql.kernel.addresses import is_loopback

ANY = "*"
_PROBES = frozenset({"/healthz", "/readyz"})  # load balancers request these by address


def host_name(host: str) -> str:
    """Return the name or address in a `Host` header, in lower case, without brackets and port."""
    text = host.strip().lower()
    name = text[1:].partition("]")[0] if text.startswith("[") else text.partition(":")[0]
    return name.rstrip(".")


class AllowedHosts:
    """ASGI middleware that refuses requests and WebSockets whose `Host` is not one of the server's names.

    This prevents DNS rebinding. Loopback names are always allowed, since they cannot be rebound.

    Args:
        app: The application.
        hosts: Allowed names; `*.example.com` allows every name below example.com, and `*` any host.
    """

    def __init__(self, app: ASGIApp, hosts: Sequence[str]) -> None:
        self._app = app
        self._names = frozenset(host_name(host) for host in hosts)
        self._suffixes = tuple(host.lower()[1:] for host in hosts if host.startswith("*."))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the application for an allowed host; refuse others."""
        if scope["type"] == "lifespan" or scope["path"] in _PROBES or self._allows(scope):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            error = HostNotAllowedError("This server does not answer to this host name.")
            await refused(error)(scope, receive, send)

    def _allows(self, scope: Scope) -> bool:
        headers = cast("list[tuple[bytes, bytes]]", scope["headers"])
        hosts = [value.decode("latin-1") for name, value in headers if name == b"host"]
        if len(hosts) != 1:
            return not hosts and scope["http_version"] == "1.0"
        name = host_name(hosts[0])
        return is_loopback(name) or ANY in self._names or name in self._names or name.endswith(self._suffixes)
