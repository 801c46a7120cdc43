"""Use cases of documents. Every operation is accepted in every state."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from nexent_gql.db.session import Database
from nexent_gql.db.violations import translate_violations
from nexent_gql.domains.files.errors import StoredFileNotFoundError
from nexent_gql.domains.files.service import FileService
from nexent_gql.domains.knowledge.errors import DocumentNotFoundError, DocumentReusedError
from nexent_gql.domains.knowledge.events import document_deleted, record_events, state_changed
from nexent_gql.domains.knowledge.jobs import ProcessDocument, PurgeDocuments
from nexent_gql.domains.knowledge.policy import DocumentSource, check_text
from nexent_gql.domains.knowledge.repository import ChunkRepository, DocumentRepository
from nexent_gql.domains.knowledge.service import readable_base, writable_base
from nexent_gql.domains.knowledge.tables import (
    UNFINISHED,
    Chunk,
    Document,
    DocumentRow,
    DocumentStage,
    DocumentState,
    DocumentVersion,
    KnowledgeBase,
)
from nexent_gql.jobs.enqueue import enqueue, request_cancel
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.page import Page, PageRequest
from nexent_gql.kernel.principal import Principal


@dataclass(frozen=True, slots=True)
class _Content:
    """A checked source."""

    name: str
    file_id: UUID | None
    text: str | None


class DocumentService:
    """The use cases of documents.

    A new version is processed beside the one whose chunks are found, and takes its place when it is READY. What is
    deleted is hidden at once, and its space freed by a job.
    """

    def __init__(self, db: Database, files: FileService, clock: Clock) -> None:
        self._db = db
        self._files = files
        self._clock = clock

    async def get_many(self, actor: Principal, ids: Sequence[UUID]) -> list[DocumentRow]:
        """Return those of `ids` that the caller may read, in any order."""
        async with self._db.read(actor.tenant_id) as session:
            return await DocumentRepository(session, actor.tenant_id).readable(actor.user_id, ids)

    async def page(
        self, actor: Principal, base_id: UUID, page: PageRequest, state: DocumentState | None = None
    ) -> Page[DocumentRow]:
        """Page through the documents of a base, newest first.

        Raises:
            KnowledgeBaseNotFoundError: The caller can read no such base.
        """
        async with self._db.read(actor.tenant_id) as session:
            await readable_base(session, actor, base_id)
            return await DocumentRepository(session, actor.tenant_id).page_of_base(base_id, state, page)

    async def count(self, actor: Principal, base_id: UUID, state: DocumentState | None = None) -> int:
        """Count the documents that `page` goes through.

        Raises:
            KnowledgeBaseNotFoundError: The caller can read no such base.
        """
        async with self._db.read(actor.tenant_id) as session:
            await readable_base(session, actor, base_id)
            return await DocumentRepository(session, actor.tenant_id).count_of_base(base_id, state)

    async def chunks(self, actor: Principal, document_id: UUID, page: PageRequest) -> Page[Chunk]:
        """Page through the chunks of a document that are found, in the order of its text.

        Raises:
            DocumentNotFoundError: The caller can read no such document.
        """
        async with self._db.read(actor.tenant_id) as session:
            row = await self._readable(session, actor, document_id)
            version_id = row.document.current_version_id
            if version_id is None:
                return Page([], [], has_next=False, has_previous=False)
            return await ChunkRepository(session, actor.tenant_id).page_of_version(version_id, page)

    async def count_chunks(self, actor: Principal, document_id: UUID) -> int:
        """Count the chunks that `chunks` goes through.

        Raises:
            DocumentNotFoundError: The caller can read no such document.
        """
        async with self._db.read(actor.tenant_id) as session:
            row = await self._readable(session, actor, document_id)
            version_id = row.document.current_version_id
            return await ChunkRepository(session, actor.tenant_id).count_of_version(version_id) if version_id else 0

    async def get_chunks(self, actor: Principal, ids: Sequence[UUID]) -> list[Chunk]:
        """Return those of `ids` that the caller may read and that are found, in any order."""
        async with self._db.read(actor.tenant_id) as session:
            return await ChunkRepository(session, actor.tenant_id).readable(actor.user_id, ids)

    async def add(
        self, actor: Principal, base_id: UUID, source: DocumentSource, client_id: str | None = None
    ) -> DocumentRow:
        """Add a document to a base and start to process it.

        Raises:
            KnowledgeBaseNotFoundError: The caller can read no such base.
            KnowledgeBaseReadOnlyError: The caller may only read it.
            StoredFileNotFoundError: The caller has no such file.
            InvalidInputError: Text or name break a rule.
            DocumentReusedError: `client_id` came with another source before.
        """
        reused = DocumentReusedError(client_id or "")
        with translate_violations({"uq_document_client_id": reused}):
            async with self._db.transaction(actor.tenant_id) as session:
                base = await writable_base(session, actor, base_id)
                content = await self._content(session, actor, source)
                repository = DocumentRepository(session, actor.tenant_id)
                if client_id is not None and (earlier := await repository.by_client_id(base.id, client_id)):
                    return await self._repeat(session, actor, earlier, content, reused)
                now = self._clock()
                document = Document(
                    tenant_id=actor.tenant_id,
                    knowledge_base_id=base.id,
                    name=content.name,
                    client_id=client_id,
                    created_by=actor.user_id,
                    latest_version_id=new_id(),
                    created_at=now,
                    updated_at=now,
                )
                repository.add(document)
                version = await self._start(session, actor, document, content, 1)
                await record_events(session, base, now, state_changed(document, version))
        return DocumentRow(document, version, None)

    async def replace(self, actor: Principal, document_id: UUID, source: DocumentSource) -> DocumentRow:
        """Process another content of a document; what was found stays until that is READY.

        Raises:
            DocumentNotFoundError: The caller can read no such document.
            KnowledgeBaseReadOnlyError: The caller may only read it.
            StoredFileNotFoundError: The caller has no such file.
            InvalidInputError: Text or name break a rule.
        """
        async with self._db.transaction(actor.tenant_id) as session:
            base, row = await self._writable(session, actor, document_id)
            content = await self._content(session, actor, source)
            row.document.name = content.name
            row = await self._supersede(session, actor, row, content)
            await record_events(session, base, self._clock(), state_changed(row.document, row.version))
        return row

    async def reprocess(self, actor: Principal, document_id: UUID) -> DocumentRow:
        """Process the latest content of a document again, with the present options of its base.

        Raises:
            DocumentNotFoundError: The caller can read no such document.
            KnowledgeBaseReadOnlyError: The caller may only read it.
        """
        async with self._db.transaction(actor.tenant_id) as session:
            base, row = await self._writable(session, actor, document_id)
            content = _Content(row.document.name, row.version.file_id, row.version.source_text)
            row = await self._supersede(session, actor, row, content, created_by=row.version.created_by)
            await record_events(session, base, self._clock(), state_changed(row.document, row.version))
        return row

    async def cancel(self, actor: Principal, document_id: UUID) -> DocumentRow:
        """Stop processing a document; a document that is not processed stays as it is.

        Raises:
            DocumentNotFoundError: The caller can read no such document.
            KnowledgeBaseReadOnlyError: The caller may only read it.
        """
        async with self._db.transaction(actor.tenant_id) as session:
            base, row = await self._writable(session, actor, document_id)
            if row.version.state in UNFINISHED:
                await self._cancel_unfinished(session, actor, document_id)
                await record_events(session, base, self._clock(), state_changed(row.document, row.version))
        return row

    async def delete(self, actor: Principal, document_id: UUID) -> None:
        """Hide a document from everybody; a job frees the space.

        Raises:
            DocumentNotFoundError: The caller can read no such document.
            KnowledgeBaseReadOnlyError: The caller may only read it.
        """
        async with self._db.transaction(actor.tenant_id) as session:
            base, row = await self._writable(session, actor, document_id)
            await self._cancel_unfinished(session, actor, document_id)
            row.document.deleted_at = self._clock()
            await self._purge(session, actor, row.document)
            await record_events(session, base, self._clock(), document_deleted(document_id))

    async def _readable(self, session: AsyncSession, actor: Principal, document_id: UUID) -> DocumentRow:
        rows = await DocumentRepository(session, actor.tenant_id).readable(actor.user_id, [document_id])
        if not rows:
            raise DocumentNotFoundError(document_id)
        return rows[0]

    async def _writable(
        self, session: AsyncSession, actor: Principal, document_id: UUID
    ) -> tuple[KnowledgeBase, DocumentRow]:
        """Lock a document: first its base, then itself, as everybody does."""
        row = await self._readable(session, actor, document_id)
        base = await writable_base(session, actor, row.document.knowledge_base_id)
        repository = DocumentRepository(session, actor.tenant_id)
        if await repository.get(document_id, lock=True) is None:
            raise DocumentNotFoundError(document_id)
        await session.refresh(row.document)
        version = await repository.version(row.document.latest_version_id, lock=True)
        if version is None:
            raise DocumentNotFoundError(document_id)
        await session.refresh(version)
        return base, DocumentRow(row.document, version, row.current_number)

    async def _content(self, session: AsyncSession, actor: Principal, source: DocumentSource) -> _Content:
        if source.file_id is None:
            text, name = check_text(source)
            return _Content(name, None, text)
        file = await self._files.get_within(session, actor, source.file_id)
        return _Content(source.name or file.name, file.id, None)

    async def _repeat(
        self, session: AsyncSession, actor: Principal, document: Document, content: _Content, error: Exception
    ) -> DocumentRow:
        """Answer a repeated call as the first one was."""
        row = await self._readable(session, actor, document.id)
        if (row.version.file_id, row.version.source_text) != (content.file_id, content.text):
            raise error
        return row

    async def _supersede(
        self,
        session: AsyncSession,
        actor: Principal,
        row: DocumentRow,
        content: _Content,
        *,
        created_by: UUID | None = None,
    ) -> DocumentRow:
        await self._cancel_unfinished(session, actor, row.document.id)
        row.document.latest_version_id, row.document.updated_at = new_id(), self._clock()
        version = await self._start(session, actor, row.document, content, row.version.number + 1, created_by)
        await self._purge(session, actor, row.document)
        return DocumentRow(row.document, version, row.current_number)

    async def _start(
        self,
        session: AsyncSession,
        actor: Principal,
        document: Document,
        content: _Content,
        number: int,
        created_by: UUID | None = None,
    ) -> DocumentVersion:
        version = DocumentVersion(
            id=document.latest_version_id,
            tenant_id=actor.tenant_id,
            document_id=document.id,
            number=number,
            created_by=created_by or actor.user_id,
            file_id=content.file_id,
            source_text=content.text,
            created_at=self._clock(),
            updated_at=self._clock(),
        )
        work = ProcessDocument(document_id=document.id, version_id=version.id, stage=DocumentStage.EXTRACT)
        with translate_violations({"fk_document_version_tenant_id_file_id": _lost_file(content)}):
            session.add(version)
            await session.flush()
        version.job_id = await enqueue(session, actor.tenant_id, work, user_id=actor.user_id)
        return version

    async def _cancel_unfinished(self, session: AsyncSession, actor: Principal, document_id: UUID) -> None:
        for version in await DocumentRepository(session, actor.tenant_id).unfinished(document_id):
            if version.state in UNFINISHED:
                version.state, version.updated_at = DocumentState.CANCELLED, self._clock()
            if version.job_id is not None:
                await request_cancel(session, version.job_id)

    async def _purge(self, session: AsyncSession, actor: Principal, document: Document) -> None:
        work = PurgeDocuments(knowledge_base_id=document.knowledge_base_id, request_id=new_id())
        await enqueue(session, actor.tenant_id, work)


def _lost_file(content: _Content) -> StoredFileNotFoundError:
    return StoredFileNotFoundError(content.file_id or new_id())
