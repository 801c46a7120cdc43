"""Takes documents through their stages; each stage commits its result together with the end of its job."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import cast

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from nexent_gql.domains.files.service import FileMetadata, FileService
from nexent_gql.domains.knowledge import chunking
from nexent_gql.domains.knowledge.attributes import MAX_VALUE_CHARS
from nexent_gql.domains.knowledge.chunking import TooManyChunksError, chunk_document
from nexent_gql.domains.knowledge.errors import IndexSwitchedError
from nexent_gql.domains.knowledge.event_log import record_events
from nexent_gql.domains.knowledge.events import state_changed
from nexent_gql.domains.knowledge.graph_requests import request_reading
from nexent_gql.domains.knowledge.indexing import DocumentIndexer
from nexent_gql.domains.knowledge.jobs import ProcessDocument, PurgeDocuments
from nexent_gql.domains.knowledge.reading import DocumentReader, content_of
from nexent_gql.domains.knowledge.repository import ChunkRepository, DocumentRepository, KnowledgeBaseRepository
from nexent_gql.domains.knowledge.tables import (
    UNFINISHED,
    Chunk,
    Document,
    DocumentStage,
    DocumentState,
    DocumentText,
    DocumentVersion,
    KnowledgeBase,
)
from nexent_gql.jobs.enqueue import enqueue
from nexent_gql.jobs.lease import Lease
from nexent_gql.jobs.registry import JobHandler
from nexent_gql.jobs.tables import JobState
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.errors import NotFoundError
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.json import JsonObject, dumps, loads, loads_object
from nexent_gql.kernel.principal import Principal, Role
from nexent_gql.kernel.text import visible_line
from nexent_gql.ports.extraction import (
    DocumentMetadata,
    DocumentProblemCode,
    ExtractedDocument,
    ExtractionError,
    ExtractionTimeoutError,
)
from nexent_gql.ports.web_pages import PageRefusedError, PageUnavailableError

MAX_AUTHORS = 20
"""Authors of a document that are kept."""
_INSERT_ROWS = 500
_STEP = timedelta(microseconds=1)
_Effect = Callable[[AsyncSession, Document, DocumentVersion], Awaitable[None]]


class DocumentProcessor:
    """Handles `ProcessDocument`."""

    def __init__(
        self,
        files: FileService,
        reader: DocumentReader,
        indexer: DocumentIndexer,
        clock: Clock,
        *,
        max_chunks: int = chunking.MAX_CHUNKS,
    ) -> None:
        self._max_chunks = max_chunks
        self._files = files
        self._reader = reader
        self._indexer = indexer
        self._clock = clock

    @property
    def handler(self) -> JobHandler[ProcessDocument]:
        """What the job registry needs."""
        return JobHandler(ProcessDocument, self.run, self.abandon)

    async def run(self, lease: Lease, work: ProcessDocument) -> None:
        """Do one stage, unless the version was cancelled or superseded."""
        version = None if lease.cancelled else await self._begin(lease, work)
        if version is None:
            return
        match work.stage:
            case DocumentStage.EXTRACT:
                await self._extract(lease, work, version)
            case DocumentStage.CHUNK:
                await self._chunk(lease, work)
            case DocumentStage.INDEX:
                await self._index(lease, work)

    async def abandon(self, lease: Lease, work: ProcessDocument) -> None:
        """Fail the version; its user may process it again."""
        message = "Processing failed repeatedly. Try again; if that fails too, ask your administrator."
        await self._fail(lease, work, DocumentProblemCode.PROCESSING_FAILED, message, is_retryable=True)

    async def _begin(self, lease: Lease, work: ProcessDocument) -> DocumentVersion | None:
        async with lease.transaction() as session:
            locked = await self._lock(session, lease, work)
            if locked is None:
                return None
            base, document, version = locked
            version.state, version.updated_at = DocumentState.PROCESSING, self._clock()
            version.attempts, version.job_id = lease.failures + 1, lease.job_id
            await record_events(session, base, self._clock(), state_changed(document, version))
        return version

    async def _extract(self, lease: Lease, work: ProcessDocument, version: DocumentVersion) -> None:
        try:
            document = await self._reader.read(_owner_of(version), content_of(version))
        except (ExtractionError, PageRefusedError) as error:
            await self._fail(lease, work, error.code, error.message)
            return
        except (PageUnavailableError, ExtractionTimeoutError) as error:
            if not work.retry.is_exhausted(lease.failures + 1, 0):
                raise
            await self._fail(lease, work, error.code, error.message, is_retryable=True)
            return
        except NotFoundError:
            message = "The file of the document no longer exists. Upload it again and replace the document."
            await self._fail(lease, work, DocumentProblemCode.FILE_MISSING, message)
            return
        structure = loads_object(
            dumps({"units": document.units, "headings": document.headings, "tables": document.tables})
        )

        async def store(session: AsyncSession, _document: Document, row: DocumentVersion) -> None:
            text = DocumentText(version_id=row.id, tenant_id=row.tenant_id, content=document.text, structure=structure)
            await session.merge(text)
            _describe(row, document)
            if row.file_id is not None:
                metadata = _file_metadata(document.metadata)
                await self._files.describe_within(session, _owner_of(row), row.file_id, metadata)
            await self._continue(session, work, row, DocumentStage.CHUNK)

        await self._finish(lease, work, store)

    async def _chunk(self, lease: Lease, work: ProcessDocument) -> None:
        async with lease.db.read(lease.tenant_id) as session:
            repository = DocumentRepository(session, lease.tenant_id)
            text = await ChunkRepository(session, lease.tenant_id).text_of(work.version_id)
            document = await repository.get(work.document_id)
            base_id = document.knowledge_base_id if document else work.document_id
            base = await KnowledgeBaseRepository(session, lease.tenant_id).get(base_id)
        if text is None or base is None:
            return  # deleted meanwhile
        source = await asyncio.to_thread(text.document)
        try:
            chunks = await asyncio.to_thread(chunk_document, source, base.chunking, self._max_chunks)
        except TooManyChunksError as error:
            await self._fail(lease, work, error.code, error.message)
            return

        async def store(session: AsyncSession, _document: Document, version: DocumentVersion) -> None:
            await ChunkRepository(session, lease.tenant_id).delete_of_version(version.id)
            rows = [_row(version, base.id, ordinal, chunk, text.content) for ordinal, chunk in enumerate(chunks)]
            for start in range(0, len(rows), _INSERT_ROWS):
                await session.execute(insert(Chunk), rows[start : start + _INSERT_ROWS])
            version.chunk_count = len(rows)
            await self._continue(session, work, version, DocumentStage.INDEX)

        await self._finish(lease, work, store)

    async def _index(self, lease: Lease, work: ProcessDocument) -> None:
        """Let readers find this version, and no other, from the same commit on.

        Searches see it at once or, if this process dies first, after the job.
        """
        is_indexed = False
        while not is_indexed:
            try:
                await self._index_once(lease, work)
            except IndexSwitchedError:
                continue
            is_indexed = True
        await self._indexer.publish(lease.tenant_id, work.document_id)

    async def _index_once(self, lease: Lease, work: ProcessDocument) -> None:
        is_last_attempt = work.retry.is_exhausted(lease.failures + 1, 0)
        outcome = await self._indexer.put(lease.tenant_id, work.version_id, is_last_attempt=is_last_attempt)

        async def switch(session: AsyncSession, document: Document, version: DocumentVersion) -> None:
            base = await KnowledgeBaseRepository(session, lease.tenant_id).get(document.knowledge_base_id)
            if base is not None:
                outcome.check(base)
            document.current_version_id, document.updated_at = version.id, self._clock()
            version.state, version.updated_at = DocumentState.READY, self._clock()
            outcome.record(version, self._clock())
            base_id = document.knowledge_base_id
            purge = PurgeDocuments(knowledge_base_id=base_id, request_id=new_id(), document_id=document.id)
            await enqueue(session, lease.tenant_id, purge)
            await request_reading(session, lease.tenant_id, base_id)

        await self._finish(lease, work, switch)

    async def _continue(
        self, session: AsyncSession, work: ProcessDocument, version: DocumentVersion, stage: DocumentStage
    ) -> None:
        version.stage, version.updated_at = stage, self._clock()
        following = work.model_copy(update={"stage": stage})
        version.job_id = await enqueue(session, version.tenant_id, following, user_id=version.created_by)

    async def _fail(
        self, lease: Lease, work: ProcessDocument, code: str, message: str, *, is_retryable: bool = False
    ) -> None:
        async def fail(_session: AsyncSession, _document: Document, version: DocumentVersion) -> None:
            version.state, version.code, version.message = DocumentState.FAILED, code, message
            version.is_retryable, version.updated_at = is_retryable, self._clock()

        await self._finish(lease, work, fail)

    async def _finish(self, lease: Lease, work: ProcessDocument, apply: _Effect) -> None:
        """End the job, and apply its effect unless the version was cancelled, superseded or deleted meanwhile."""
        async with lease.final_transaction(JobState.DONE) as session:
            locked = await self._lock(session, lease, work)
            if locked is None:
                return
            base, document, version = locked
            await apply(session, document, version)
            if version.state not in UNFINISHED:
                await record_events(session, base, self._clock(), state_changed(document, version))

    async def _lock(
        self, session: AsyncSession, lease: Lease, work: ProcessDocument
    ) -> tuple[KnowledgeBase, Document, DocumentVersion] | None:
        """Lock a document and its version; None when this stage is not to be done any more."""
        repository = DocumentRepository(session, lease.tenant_id)
        bases = KnowledgeBaseRepository(session, lease.tenant_id)
        if work.stage == DocumentStage.INDEX:
            await bases.shared(work.document_id)
        document = await repository.get(work.document_id, lock=True)
        if document is None or document.latest_version_id != work.version_id:
            return None
        base = await bases.get(document.knowledge_base_id)
        version = await repository.version(work.version_id, lock=True)
        is_wanted = version is not None and version.stage == work.stage and version.state in UNFINISHED
        return (base, document, version) if base is not None and version is not None and is_wanted else None


def _describe(version: DocumentVersion, document: ExtractedDocument) -> None:
    metadata = document.metadata
    version.media_type, version.title, version.language = document.media_type, metadata.title, metadata.language
    authors = (visible_line(author, max_chars=MAX_VALUE_CHARS) for author in metadata.authors)
    version.authors = list(dict.fromkeys(filter(None, authors)))[:MAX_AUTHORS]
    version.authored_at = _authored_at(metadata)
    version.unit_count, version.char_count = metadata.units, len(document.text)
    version.part_failures = cast("list[JsonObject]", loads(dumps(document.failures)))
    if document.failures:
        version.code = DocumentProblemCode.PARTIAL
        version.message = f"{len(document.failures)} parts have no text; `partFailures` explains what to do about each."


def _authored_at(metadata: DocumentMetadata) -> datetime | None:
    try:
        time = datetime.fromisoformat(metadata.created_at) if metadata.created_at else None
        return time.astimezone(UTC) if time is not None and time.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _file_metadata(metadata: DocumentMetadata) -> FileMetadata:
    authors = ", ".join(metadata.authors) or None
    return FileMetadata(metadata.units, metadata.title, authors, metadata.language, _authored_at(metadata))


def _owner_of(version: DocumentVersion) -> Principal:
    return Principal(version.tenant_id, version.created_by, Role.MEMBER)


def _row(
    version: DocumentVersion, base_id: object, ordinal: int, chunk: chunking.Chunk, text: str
) -> dict[str, object]:
    return {
        "id": new_id(),
        "tenant_id": version.tenant_id,
        "created_at": version.created_at + ordinal * _STEP,
        "knowledge_base_id": base_id,
        "document_id": version.document_id,
        "version_id": version.id,
        "ordinal": ordinal,
        "start_offset": chunk.start,
        "end_offset": chunk.end,
        "parent_start": chunk.parent_start,
        "parent_end": chunk.parent_end,
        "content": text[chunk.start : chunk.end],
        "headings": list(chunk.headings),
        "unit_kind": chunk.unit_kind,
        "unit_number": chunk.unit_number,
        "unit_name": chunk.unit_name,
        "attachment": chunk.attachment,
        "table_header": chunk.table_header,
    }
