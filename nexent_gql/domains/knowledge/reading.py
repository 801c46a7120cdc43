"""Reads the text of a document's content: a file, a page of the web, or a text."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit
from uuid import UUID

from nexent_gql.domains.files.extraction import FileTexts
from nexent_gql.domains.files.service import FileService
from nexent_gql.domains.knowledge.tables import DocumentVersion
from nexent_gql.kernel.fairness import Owner
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.extraction import ExtractedDocument, Extractor
from nexent_gql.ports.web_pages import WebPages

_HTML_TYPES = ("text/html", "application/xhtml+xml")
"""Such a page may be named by a program, such as `index.php`, which does not show its type."""


@dataclass(frozen=True, slots=True)
class Content:
    """Where a document's content is: exactly one of `file_id`, `url` and `text` is set."""

    name: str
    file_id: UUID | None = None
    url: str | None = None
    text: str | None = None


class DocumentReader:
    """Reads contents on behalf of a user.

    Args:
        files: Finds files.
        texts: Extracts the texts of files, once for the same content.
        extractor: Reads all other contents.
        pages: Fetches pages of the web.
    """

    def __init__(self, files: FileService, texts: FileTexts, extractor: Extractor, pages: WebPages) -> None:
        self._files = files
        self._texts = texts
        self._extractor = extractor
        self._pages = pages

    async def read(self, actor: Principal, content: Content) -> ExtractedDocument:
        """Return the text of a content.

        Raises:
            ExtractionError: It has none.
            NotFoundError: Its file was deleted.
            PageRefusedError: Its address can't be used.
            PageUnavailableError: The server of its address does not answer.
        """
        if content.file_id is not None:
            return await self._texts.document(actor, await self._files.get(actor, content.file_id))
        with TemporaryDirectory() as folder:
            path = Path(folder) / "content"
            name, media_type = await self._store(content, path)
            owner = Owner(actor.tenant_id, actor.user_id)
            return await self._extractor.extract(path, name=name, owner=owner, media_type=media_type)

    async def _store(self, content: Content, path: Path) -> tuple[str, str | None]:
        """Write a page or a text to a file, and return its name and media type."""
        if content.url is not None:
            page = await self._pages.fetch(content.url, path)
            is_html = (page.media_type or "").startswith(_HTML_TYPES)
            return "page" if is_html else name_of_url(content.url), page.media_type
        await asyncio.to_thread(path.write_text, content.text or "", encoding="utf-8")
        return "text.md", None


def name_of_url(url: str) -> str:
    """Return the last part of an address's path, or its host."""
    parts = urlsplit(url)
    return parts.path.rstrip("/").rpartition("/")[2] or parts.hostname or url


def content_of(version: DocumentVersion, name: str = "") -> Content:
    """Return the content of a version; `name` is the document's."""
    return Content(name, version.file_id, version.source_url, version.source_text)
