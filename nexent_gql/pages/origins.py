"""Checks of a page's origin, and the sources that a page may connect to."""

import re
from ipaddress import ip_address

from starlette.requests import Request

_HOST = re.compile(r"([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?")


def own_sources(request: Request) -> str:
    """Return the `connect-src` of a page: only its own server, by HTTP and by WebSocket.

    Older browsers do not count a WebSocket of the same host as 'self', so it is named.
    """
    host = request.headers.get("host", "").lower()
    return f"'self' ws://{host} wss://{host}" if _HOST.fullmatch(host) else "'self'"


def is_from_here(request: Request) -> bool:
    """Return whether the request comes from this server's own page, opened on this machine.

    Client address and Host must be loopback (which excludes DNS rebinding), without a proxy in between; the origin must
    be this server's, and the content type one that a foreign page cannot send without a CORS preflight.
    """
    hosts, origins = request.headers.getlist("host"), request.headers.getlist("origin")
    proxied = any(name in request.headers for name in ("forwarded", "x-forwarded-for", "x-real-ip"))
    return (
        request.client is not None
        and _is_address_of_loopback(request.client.host)
        and len(hosts) == 1
        and _is_loopback_host(hosts[0])
        and not proxied
        and origins in ([], [f"http://{hosts[0]}"], [f"https://{hosts[0]}"])
        and request.headers.get("content-type", "").split(";")[0].strip() == "application/json"
    )


def _is_loopback_host(header: str) -> bool:
    """Parse a `Host` header strictly as a name or address with an optional port; anything else is no loopback host."""
    match = _HOST.fullmatch(header.lower())
    if match is None:
        return False
    host = match[1].strip("[]")
    return host == "localhost" or _is_address_of_loopback(host)


def _is_address_of_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
