"""Who asks for a page, and whom the page may talk to."""

import re
from ipaddress import ip_address

from starlette.requests import Request

_HOST = re.compile(r"([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?")


def own_sources(request: Request) -> str:
    """Return what `connect-src` of a page allows: its own server, by HTTP and by WebSocket, and nobody else.

    Older browsers do not count a WebSocket of the same host as 'self', so it is named.
    """
    host = request.headers.get("host", "").lower()
    return f"'self' ws://{host} wss://{host}" if _HOST.fullmatch(host) else "'self'"


def is_from_here(request: Request) -> bool:
    """Tell whether a page of ours, opened on this machine, asks.

    Address and Host are loopback (a name that was rebound to it is not), no proxy stands between, the origin is our
    own, and the content type is one that a foreign page can't send without being asked first.
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
    """Read a `Host` header to the letter: a name or an address, and a port; anything else is nobody's."""
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
