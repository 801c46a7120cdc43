"""Connects to checked addresses only."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence

import httpcore2
import httpx2

from nexent_gql.adapters.outbound_addresses import Reach, is_allowed
from nexent_gql.adapters.outbound_stream import NetworkStream
from nexent_gql.kernel.urls import Target

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Resolves a host and a port to addresses; raises OSError when there are none."""

_WEB_PORTS = frozenset({80, 443})
_FIRST_FREE_PORT = 1024
PORTS_OF_OTHER_SERVICES = frozenset(
    {
        *(1433, 1521, 3306, 5432, 5433, 6432, 9042, 27017, 27018, 27019),  # databases
        *(6379, 6380, 11211, 26379),  # caches
        *(1883, 4222, 5671, 5672, 8883, 9092, 15672, 61616),  # brokers
        *(2049, 3128, 3260, 3389, 5900, 5901, 5985, 5986),  # files, proxies, remote control
        *(2181, 2375, 2376, 2379, 2380, 6443, 8500, 10250, 10255),  # control planes
        *(5984, 9200, 9300),  # search and document stores with an HTTP API
    }
)
"""Ports above 1023 that are usual for services other than models and tools."""


def is_web_port(port: int) -> bool:
    """Return whether a port is usual for web servers: 80, 443, and those above 1023 without another service."""
    return port in _WEB_PORTS or (port >= _FIRST_FREE_PORT and port not in PORTS_OF_OTHER_SERVICES)


class OutboundRefusedError(httpx2.TransportError):
    """The address is not allowed for this client; the message gives the reason, but no resolved address."""


async def resolve(host: str, port: int) -> Sequence[str]:
    """Resolve a name by the system's resolver, in a thread."""
    results = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in results))


class GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Resolves a name once, refuses it unless all its addresses are allowed, and connects to one of those."""

    def __init__(self, reach: Reach, resolver: Resolver = resolve, allowed: Sequence[Target] = ()) -> None:
        self._reach: Reach = reach
        self._resolver = resolver
        self._allowed = allowed

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface's name
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect within `timeout` seconds.

        Raises:
            OutboundRefusedError: The host or port is not allowed.
            httpcore2.ConnectError: The name does not exist, or the server does not answer.
            httpcore2.ConnectTimeout: Not connected in time.
        """
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._addresses(host, port)
                return await self._connect(addresses, port, timeout, local_address, socket_options)
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout(str(error)) from error

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface's name
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Refuse Unix sockets of this machine."""
        del path, timeout, socket_options
        raise OutboundRefusedError("Unix sockets cannot be used.")

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    async def _addresses(self, host: str, port: int) -> Sequence[str]:
        if not is_web_port(port) and not self._may_be_allowed(host, port):
            raise OutboundRefusedError(f"Port {port} is not one of a web server.")
        try:
            addresses = await self._resolver(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError(str(error)) from error
        if not addresses or not all(self._permits(host, address, port) for address in addresses):
            raise OutboundRefusedError("The address lies in a network that this installation does not connect to.")
        return addresses

    def _may_be_allowed(self, host: str, port: int) -> bool:
        """Return whether the allowed list may contain this host or its addresses, which are not resolved yet."""
        return any(target.network is not None or target.covers(host, "", port) for target in self._allowed)

    def _permits(self, host: str, address: str, port: int) -> bool:
        if any(target.covers(host, address, port) for target in self._allowed):
            return is_allowed(address, "any")
        return is_web_port(port) and is_allowed(address, self._reach)

    async def _connect(
        self,
        addresses: Sequence[str],
        port: int,
        timeout_s: float | None,
        local_address: str | None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None,
    ) -> httpcore2.AsyncNetworkStream:
        """Try the addresses in the resolver's order; all but the last share half of the time."""
        *others, last = addresses
        for address in others:
            share_s = None if timeout_s is None else timeout_s / (2 * len(others))
            try:
                return await NetworkStream.open(address, port, share_s, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        return await NetworkStream.open(last, port, timeout_s, local_address, socket_options)
