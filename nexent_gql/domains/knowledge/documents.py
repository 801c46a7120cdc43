"""Use cases of documents. Every operation is accepted in every state."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from nexent_gql.db.session import Database
from nexent_gql.db.violations import translate_violations
from nexent_gql.domains.files.service import FileService
from nexent_gql.domains.knowledge.attributes import DocumentAttribute, stored_attributes
from nexent_gql.domains.knowledge.errors import DocumentNotFoundError, DocumentReusedError
from nexent_gql.domains.knowledge.filters import DocumentFilter
from nexent_gql.domains.knowledge.limits import KnowledgeLimits
from nexent_gql.domains.knowledge.policy import DocumentPatch, DocumentSource
from nexent_gql.domains.knowledge.reading import Content, content_of
from nexent_gql.domains.knowledge.repository import ChunkRepository, DocumentRepository
from nexent_gql.domains.knowledge.service import readable_base, writable_base
from nexent_gql.domains.knowledge.tables import Chunk, Document, DocumentRow
from nexent_gql.domains.knowledge.writing import DocumentContext, DocumentLabels, DocumentWriter, check_source
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.page import Page, PageRequest
from nexent_gql.kernel.principal import Principal
from nexent_gql.kernel.text import search_text


class DocumentService:
    """The use cases of documents.

    A new version is processed beside the one whose chunks are found, and takes its place when it is READY. What is
    deleted is hidden at once, and its space freed by a job.
    """

    def __init__(self, db: Database, files: FileService, clock: Clock, limits: KnowledgeLimits | None = None) -> None:
        self._db = db
        self._files = files
        self._clock = clock
        self._limits = limits or KnowledgeLimits()

    async def get_many(self, actor: Principal, ids: Sequence[UUID]) -> list[DocumentRow]:
        """Return those of `ids` that the caller may read, in any order."""
        async with self._db.read(actor.tenant_id) as session:
            return await DocumentRepository(session, actor.tenant_id).readable(actor.user_id, ids)

    async def page(
        self, actor: Principal, base_id: UUID, page: PageRequest, conditions: DocumentFilter | None = None
    ) -> Page[DocumentRow]:
        """Page through the documents of a base that match, newest first.

        Raises:
            KnowledgeBaseNotFoundError: The caller can read no such base.
        """
        async with self._db.read(actor.tenant_id) as session:
            await readable_base(session, actor, base_id)
            return await DocumentRepository(session, actor.tenant_id).page_of_base(
                base_id, conditions or DocumentFilter(), page
            )

    async def count(self, actor: Principal, base_id: UUID, conditions: DocumentFilter | None = None) -> int:
        """Count the documents that `page` goes through.

        Raises:
            KnowledgeBaseNotFoundError: The caller can read no such base.
        """
        async with self._db.read(actor.tenant_id) as session:
            await readable_base(session, actor, base_id)
            return await DocumentRepository(session, actor.tenant_id).count_of_base(
                base_id, conditions or DocumentFilter()
            )

    async def chunks(
        self, actor: Principal, document_id: UUID, page: PageRequest, search: str | None = None
    ) -> Page[Chunk]:
        """Page through the chunks of the current version of a document that contain `search`, in the order of its text.

        Raises:
            InvalidInputError: The search text is too long.
            DocumentNotFoundError: The caller can read no such document.
        """
        part = search_text(search)
        async with self._db.read(actor.tenant_id) as session:
            row = await self._readable(session, actor, document_id)
            version_id = row.document.current_version_id
            if version_id is None:
                return Page([], [], has_next=False, has_previous=False)
            return await ChunkRepository(session, actor.tenant_id).page_of_version(version_id, page, part)

    async def count_chunks(self, actor: Principal, document_id: UUID, search: str | None = None) -> int:
        """Count the chunks that `chunks` goes through.

        Raises:
            DocumentNotFoundError: The caller can read no such document.
        """
        part = search_text(search)
        async with self._db.read(actor.tenant_id) as session:
            row = await self._readable(session, actor, document_id)
            version_id = row.document.current_version_id
            return (
                await ChunkRepository(session, actor.tenant_id).count_of_version(version_id, part) if version_id else 0
            )

    async def get_chunks(self, actor: Principal, ids: Sequence[UUID]) -> list[Chunk]:
        """Return those of `ids` that the caller may read and that are found, in any order."""
        async with self._db.read(actor.tenant_id) as session:
            return await ChunkRepository(session, actor.tenant_id).readable(actor.user_id, ids)

    async def add(
        self,
        actor: Principal,
        base_id: UUID,
        source: DocumentSource,
        client_id: str | None = None,
        *,
        attributes: Sequence[DocumentAttribute] = (),
    ) -> DocumentRow:
        """Add a document to a base and start to process it.

        Raises:
            KnowledgeBaseNotFoundError: The caller can read no such base.
            KnowledgeBaseReadOnlyError: The caller may only read it.
            StoredFileNotFoundError: The caller has no such file.
            InvalidInputError: Text, name or attributes break a rule.
            DocumentReusedError: `client_id` came with another source before.
            KnowledgeLimitError: The base has as many documents as it may have.
        """
        labels = DocumentLabels(client_id, attributes=stored_attributes(attributes, "attributes"))
        reused = DocumentReusedError(client_id or "")
        with translate_violations({"uq_document_client_id": reused}):
            async with self._db.transaction(actor.tenant_id) as session:
                base = await writable_base(session, actor, base_id)
                content = await check_source(session, self._files, actor, source)
                repository = DocumentRepository(session, actor.tenant_id)
                if client_id is not None and (earlier := await repository.by_client_id(base.id, client_id)):
                    return await self._repeat(session, actor, earlier, content, reused)
                await self._limits.require_documents(session, base, 1)
                writer = DocumentWriter(DocumentContext(session, actor, base, self._clock))
                row = await writer.add(content, labels)
                await writer.finish()
        return row

    async def update(self, actor: Principal, document_id: UUID, patch: DocumentPatch) -> DocumentRow:
        """Change name and attributes of a document.

        Raises:
            DocumentNotFoundError: The caller can read no such document.
            KnowledgeBaseReadOnlyError: The caller may only read it.
            InvalidInputError: A field breaks a rule.
        """
        async with self._writing(actor, document_id) as (_, writer, row):
            writer.update(row, patch)
        return row

    async def replace(self, actor: Principal, document_id: UUID, source: DocumentSource) -> DocumentRow:
        """Process another content of a document; what was found stays until that is READY.

        Raises:
            DocumentNotFoundError: The caller can read no such document.
            KnowledgeBaseReadOnlyError: The caller may only read it.
            StoredFileNotFoundError: The caller has no such file.
            InvalidInputError: Text or name break a rule.
        """
        async with self._writing(actor, document_id) as (session, writer, row):
            return await writer.replace(row, await check_source(session, self._files, actor, source))

    async def reprocess(self, actor: Principal, document_id: UUID) -> DocumentRow:
        """Process the latest content of a document again, with the present options of its base.

        Raises:
            DocumentNotFoundError: The caller can read no such document.
            KnowledgeBaseReadOnlyError: The caller may only read it.
        """
        async with self._writing(actor, document_id) as (_, writer, row):
            return await writer.reprocess(row)

    async def cancel(self, actor: Principal, document_id: UUID) -> DocumentRow:
        """Stop processing a document; a document that is not processed stays as it is.

        Raises:
            DocumentNotFoundError: The caller can read no such document.
            KnowledgeBaseReadOnlyError: The caller may only read it.
        """
        async with self._writing(actor, document_id) as (_, writer, row):
            await writer.cancel(row)
        return row

    async def delete(self, actor: Principal, document_id: UUID) -> None:
        """Hide a document from everybody; a job frees the space.

        Raises:
            DocumentNotFoundError: The caller can read no such document.
            KnowledgeBaseReadOnlyError: The caller may only read it.
        """
        async with self._writing(actor, document_id) as (_, writer, row):
            await writer.delete(row)

    @asynccontextmanager
    async def _writing(
        self, actor: Principal, document_id: UUID
    ) -> AsyncGenerator[tuple[AsyncSession, DocumentWriter, DocumentRow]]:
        """Open a transaction that has locked a document: first its base, then itself, as everybody does.

        Raises:
            DocumentNotFoundError: The caller can read no such document.
            KnowledgeBaseReadOnlyError: The caller may only read it.
        """
        async with self._db.transaction(actor.tenant_id) as session:
            row = await self._readable(session, actor, document_id)
            base = await writable_base(session, actor, row.document.knowledge_base_id)
            writer = DocumentWriter(DocumentContext(session, actor, base, self._clock))
            yield session, writer, await writer.lock(row)
            await writer.finish()

    async def _readable(self, session: AsyncSession, actor: Principal, document_id: UUID) -> DocumentRow:
        rows = await DocumentRepository(session, actor.tenant_id).readable(actor.user_id, [document_id])
        if not rows:
            raise DocumentNotFoundError(document_id)
        return rows[0]

    async def _repeat(
        self, session: AsyncSession, actor: Principal, document: Document, content: Content, error: Exception
    ) -> DocumentRow:
        """Answer a repeated call as the first one was."""
        row = await self._readable(session, actor, document.id)
        if content_of(row.version, content.name) != content:
            raise error
        return row
