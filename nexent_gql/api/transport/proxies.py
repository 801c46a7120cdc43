"""The client's address and scheme behind reverse proxies."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import cast

from starlette.types import ASGIApp, Receive, Scope, Send

from nexent_gql.kernel.addresses import Address, parse_address

_SCHEMES = {"http": {"http": "http", "https": "https"}, "websocket": {"http": "ws", "https": "wss"}}
Headers = Iterable[tuple[bytes, bytes]]


class TrustedProxies:
    """The reverse proxies whose forwarding headers are trusted.

    Args:
        networks: Addresses and networks in CIDR notation.
    """

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks: Sequence[IPv4Network | IPv6Network] = [ip_network(text) for text in networks]

    def __contains__(self, address: Address | None) -> bool:
        return address is not None and any(
            address.version == network.version and address in network for network in self._networks
        )

    def trusts(self, peer: str | None) -> bool:
        """Return whether a connection from `peer` comes from a trusted proxy."""
        return bool(self._networks) and parse_address(peer) in self

    def client_address(self, peer: str | None, headers: Headers) -> str | None:
        """Return the address of the client behind a connection from `peer`.

        Proxies append to `X-Forwarded-For`, so the client is the right-most address that is not a trusted proxy. An
        entry that is not an address ends the search: the proxy that reported it counts as the client.
        """
        closest = parse_address(peer)
        if closest not in self:
            return peer
        for text in reversed(_values(headers, b"x-forwarded-for")):
            address = parse_address(_without_port(text))
            if address is None:
                break
            closest = address
            if address not in self:
                break
        return str(closest)


def _values(headers: Headers, name: bytes) -> list[str]:
    lines = [value.decode("latin-1") for key, value in headers if key == name]
    return [part.strip() for part in ",".join(lines).split(",") if part.strip()]


def _without_port(text: str) -> str:
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


class ProxyHeaders:
    """ASGI middleware that sets `client` and `scheme` of the scope from the headers of trusted proxies."""

    def __init__(self, app: ASGIApp, trusted: TrustedProxies) -> None:
        self._app = app
        self._trusted = trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the application with the client's own address and scheme."""
        client = cast("tuple[str, int] | None", scope.get("client"))
        if client is not None and self._trusted.trusts(client[0]):
            headers = cast("list[tuple[bytes, bytes]]", scope["headers"])
            scope["client"] = (self._trusted.client_address(client[0], headers) or client[0], 0)
            schemes = _SCHEMES[scope["type"]]
            forwarded = _values(headers, b"x-forwarded-proto")
            scope["scheme"] = schemes.get(forwarded[-1].lower() if forwarded else "", scope["scheme"])
        await self._app(scope, receive, send)
