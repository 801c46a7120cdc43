"""Shows how a document would be cut, before anything is stored."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from nexent_gql.db.session import Database
from nexent_gql.domains.files.service import FileService
from nexent_gql.domains.knowledge.chunking import Chunk, ChunkingOptions, chunk_document
from nexent_gql.domains.knowledge.errors import DocumentNotFoundError, PreviewTimedOutError
from nexent_gql.domains.knowledge.policy import DocumentSource, check_chunking
from nexent_gql.domains.knowledge.reading import DocumentReader
from nexent_gql.domains.knowledge.repository import ChunkRepository, DocumentRepository
from nexent_gql.domains.knowledge.writing import check_source
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.extraction import ExtractedDocument

MAX_PREVIEW_CHUNKS = 100
_TIMEOUT_S = 45.0


@dataclass(frozen=True, slots=True)
class ChunkPreview:
    """The first chunks of a document, and how many there would be. Offsets count characters of `text`."""

    text: str
    chunks: Sequence[Chunk]
    total: int
    media_type: str


class ChunkPreviewService:
    """Reads and cuts documents without storing anything.

    Args:
        db: Where the texts of documents are.
        files: Checks which files the caller has.
        reader: Reads contents.
        timeout_s: For one preview.
    """

    def __init__(
        self, db: Database, files: FileService, reader: DocumentReader, *, timeout_s: float = _TIMEOUT_S
    ) -> None:
        self._db = db
        self._files = files
        self._reader = reader
        self._timeout_s = timeout_s

    async def preview(
        self, actor: Principal, source: DocumentSource | UUID, options: ChunkingOptions, first: int
    ) -> ChunkPreview:
        """Return the first chunks of a source or, given its id, of a document whose text is stored.

        Raises:
            DocumentNotFoundError: The caller can read no such document, or its text has not been read yet.
            StoredFileNotFoundError: The caller has no such file.
            InvalidInputError: The source or the options break a rule.
            ExtractionError: The source has no text.
            PageRefusedError: Its address can't be used.
            UnavailableError: The server of its address does not answer, or too many previews are made.
            PreviewTimedOutError: Reading takes too long for a preview.
            TooManyChunksError: There would be too many.
        """
        check_chunking(options)
        try:
            async with asyncio.timeout(self._timeout_s):
                document = await self._document(actor, source)
                chunks = await asyncio.to_thread(chunk_document, document, options)
        except TimeoutError as error:
            raise PreviewTimedOutError from error
        return ChunkPreview(document.text, chunks[:first], len(chunks), document.media_type)

    async def _document(self, actor: Principal, source: DocumentSource | UUID) -> ExtractedDocument:
        async with self._db.read(actor.tenant_id) as session:
            if isinstance(source, UUID):
                rows = await DocumentRepository(session, actor.tenant_id).readable(actor.user_id, [source])
                version_id = rows[0].document.current_version_id or rows[0].version.id if rows else None
                text = await ChunkRepository(session, actor.tenant_id).text_of(version_id) if version_id else None
                if text is None:
                    raise DocumentNotFoundError(source)
                return await asyncio.to_thread(text.document)
            content = await check_source(session, self._files, actor, source)
        return await self._reader.read(actor, content)
