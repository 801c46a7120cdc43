"""Fetches pages by the guarded HTTP client."""

import asyncio
from pathlib import Path
from urllib.parse import urljoin

import httpx2

from nexent_gql.adapters.outbound import OutboundRefusedError
from nexent_gql.ports.web_pages import PageRefusedError, PageUnavailableError, WebPage

_MAX_REDIRECTS = 5
_BLOCK_BYTES = 64 * 1024
_OK, _TOO_MANY_REQUESTS, _SERVER_ERROR = 200, 429, 500
_HEADERS = {
    "accept": "text/html,application/xhtml+xml,application/pdf,text/*;q=0.9,*/*;q=0.5",
    "accept-encoding": "identity",
    "user-agent": "nexent-gql",
}


class HttpWebPages:
    """Implements the port `WebPages`.

    Redirects are followed by requests of their own, so that each address is checked. Compressed answers are refused
    rather than unpacked: a small one can unpack to any size.

    Args:
        client: Connects only where this installation allows it.
        max_bytes: Larger pages are refused.
        timeout_s: For one page, redirects included.
    """

    def __init__(self, client: httpx2.AsyncClient, *, max_bytes: int, timeout_s: float = 60) -> None:
        self._client = client
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s

    async def fetch(self, url: str, path: Path) -> WebPage:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._follow(url, path)
        except OutboundRefusedError as error:
            raise PageRefusedError(f"The address can't be used: {error}") from error
        except httpx2.InvalidURL as error:
            raise PageRefusedError("The server redirects to an address that can't be used.") from error
        except (httpx2.TransportError, TimeoutError) as error:
            raise PageUnavailableError("The server of the address does not answer. Try again later.") from error

    async def _follow(self, url: str, path: Path) -> WebPage:
        for _ in range(_MAX_REDIRECTS + 1):
            async with self._client.stream("GET", url, headers=_HEADERS) as response:
                if not response.has_redirect_location:
                    return await self._store(response, path)
                url = urljoin(url, response.headers["location"])
        raise PageRefusedError("The address redirects too often.")

    async def _store(self, response: httpx2.Response, path: Path) -> WebPage:
        _check(response)
        size = 0
        with path.open("wb") as target:
            async for block in response.aiter_raw(_BLOCK_BYTES):
                size += len(block)
                if size > self._max_bytes:
                    limit = f"{self._max_bytes // 1024 // 1024} MB"
                    raise PageRefusedError(f"The page is larger than {limit}.", max_bytes=self._max_bytes)
                await asyncio.to_thread(target.write, block)
        return WebPage(response.headers.get("content-type"))


def _check(response: httpx2.Response) -> None:
    status = response.status_code
    if status == _TOO_MANY_REQUESTS or status >= _SERVER_ERROR:
        raise PageUnavailableError(f"The server of the address answers with status {status}. Try again later.")
    if status != _OK:
        raise PageRefusedError(f"The server of the address answers with status {status}. Check the address.")
    if response.headers.get("content-encoding", "identity").lower() not in ("", "identity"):
        raise PageRefusedError("The server of the address sends only compressed pages. Upload the page as a file.")
