"""The HTTP client for addresses from tenants, models or documents; protects against SSRF.

The check is made when connecting, on the resolved addresses, and the connection goes to exactly those. It therefore
covers names that resolve differently later, unusual spellings of addresses, and redirects.
"""

import ssl
from collections.abc import AsyncGenerator, AsyncIterable, Generator, Sequence
from contextlib import contextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpcore2
import httpx2

from nexent_gql.adapters.outbound_addresses import Reach
from nexent_gql.adapters.outbound_backend import GuardedBackend, OutboundRefusedError, Resolver, resolve
from nexent_gql.kernel.urls import Target, has_misleading_escapes

__all__ = ["OutboundRefusedError", "Reach", "outbound_client"]

ERRORS: tuple[tuple[type[Exception], type[httpx2.TransportError]], ...] = (
    (httpcore2.ConnectTimeout, httpx2.ConnectTimeout),
    (httpcore2.ReadTimeout, httpx2.ReadTimeout),
    (httpcore2.WriteTimeout, httpx2.WriteTimeout),
    (httpcore2.PoolTimeout, httpx2.PoolTimeout),
    (httpcore2.ConnectError, httpx2.ConnectError),
    (httpcore2.ReadError, httpx2.ReadError),
    (httpcore2.WriteError, httpx2.WriteError),
    (httpcore2.LocalProtocolError, httpx2.LocalProtocolError),
    (httpcore2.RemoteProtocolError, httpx2.RemoteProtocolError),
    (httpcore2.UnsupportedProtocol, httpx2.UnsupportedProtocol),
)


def outbound_client(
    reach: Reach,
    *,
    allowed: Sequence[Target] = (),
    max_connections: int = 100,
    connect_timeout_s: float = 10,
    pool_timeout_s: float = 10,
    ssl_context: ssl.SSLContext | None = None,
    resolver: Resolver = resolve,
) -> httpx2.AsyncClient:
    """Return a client that connects only where `reach` allows; use it as a context manager.

    It follows no redirect, reads no proxy or netrc from the environment, and keeps no cookies: callers of several
    tenants may share it. Reading and writing have no time limit here; callers set theirs.

    Args:
        reach: "public", or "any" for installations that use servers in their own network. Both exclude metadata
            services, link-local addresses and ports of other protocols.
        allowed: Targets that are always allowed, on any port.
        max_connections: Concurrent connections; further requests wait for `pool_timeout_s`.
        connect_timeout_s: Time limit of each of name resolution, connecting and TLS.
        pool_timeout_s: Time limit of waiting for a free connection.
        ssl_context: Replaces the system's trust store (or the file that `SSL_CERT_FILE` names).
        resolver: Resolves host names.
    """
    pool = httpcore2.AsyncConnectionPool(
        ssl_context=ssl_context or httpx2.create_ssl_context(),
        max_connections=max_connections,
        max_keepalive_connections=max_connections // 2,
        keepalive_expiry=15,
        network_backend=GuardedBackend(reach, resolver, allowed),
    )
    return httpx2.AsyncClient(
        transport=GuardedTransport(pool),
        timeout=httpx2.Timeout(None, connect=connect_timeout_s, pool=pool_timeout_s),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        trust_env=False,
    )


class GuardedTransport(httpx2.AsyncBaseTransport):
    """Sends requests through a pool whose backend checks addresses; refuses ambiguous URLs.

    Uses only public interfaces of both libraries, so that a change of their internals cannot disable the check.
    """

    def __init__(self, pool: httpcore2.AsyncConnectionPool) -> None:
        self._pool = pool

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request.

        Raises:
            OutboundRefusedError: The URL or address is not allowed.
            httpx2.TransportError: The request failed.
        """
        refuse_odd(request.url)
        if not isinstance(request.stream, AsyncIterable):
            raise httpx2.LocalProtocolError("The request's body must be asynchronous.")
        pinned_request = httpcore2.Request(
            method=request.method,
            url=httpcore2.URL(
                scheme=request.url.raw_scheme,
                host=request.url.raw_host,
                port=request.url.port,
                target=request.url.raw_path,
            ),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        with translated():
            response = await self._pool.handle_async_request(pinned_request)
        return httpx2.Response(
            status_code=response.status,
            headers=response.headers,
            stream=GuardedBody(response),
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pool.aclose()


class GuardedBody(httpx2.AsyncByteStream):
    """A response's body that raises the client's errors."""

    def __init__(self, response: httpcore2.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        with translated():
            async for part in self._response.aiter_stream():
                yield part

    async def aclose(self) -> None:
        """Release the connection, or close it when the body was not read to the end."""
        await self._response.aclose()


def refuse_odd(url: httpx2.URL) -> None:
    """Refuse ambiguous URLs: other schemes, credentials, and escapes that hide the end of the path."""
    if url.scheme not in {"http", "https"}:
        raise OutboundRefusedError("Only http and https addresses can be used.")
    if url.userinfo:
        raise OutboundRefusedError("Leave user name and password out of the address.")
    if not url.host:
        raise OutboundRefusedError("The address names no host.")
    if has_misleading_escapes(url.raw_path.partition(b"?")[0].decode("ascii", "replace")):
        raise OutboundRefusedError("The address's path has escapes that are read in different ways.")


@contextmanager
def translated() -> Generator[None]:
    """Translate the pool's errors into the client's."""
    try:
        yield
    except Exception as error:
        for theirs, ours in ERRORS:
            if isinstance(error, theirs):
                raise ours(str(error)) from error
        raise
