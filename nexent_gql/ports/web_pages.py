"""Pages and files of the web, at addresses that users give."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from nexent_gql.kernel.errors import DomainError, ProviderUnavailableError


@dataclass(frozen=True, slots=True)
class WebPage:
    """A page that was stored; `media_type` is the server's, None if it sent none."""

    media_type: str | None


class PageRefusedError(DomainError):
    """The address can't be used, or its server refuses; trying again has the same result."""

    code: ClassVar[str] = "FETCH_FAILED"


class PageUnavailableError(ProviderUnavailableError):
    """The server does not answer, or has a problem; a later attempt may succeed."""

    code: ClassVar[str] = "FETCH_FAILED"


class WebPages(Protocol):
    """Fetches pages without reaching into this installation's own network."""

    async def fetch(self, url: str, path: Path) -> WebPage:
        """Store what is at `url` in the file `path`.

        Raises:
            PageRefusedError: The address is not allowed, the server refuses, or the page is too large.
            PageUnavailableError: The server does not answer in time, or has a problem.
        """
        ...
