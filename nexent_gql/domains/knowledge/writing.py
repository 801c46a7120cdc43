"""Writes documents and versions of one base, within a transaction that has locked the base."""

from dataclasses import dataclass, field, replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from nexent_gql.db.violations import translate_violations
from nexent_gql.domains.files.errors import StoredFileNotFoundError
from nexent_gql.domains.files.service import FileService
from nexent_gql.domains.knowledge.attributes import stored_attributes
from nexent_gql.domains.knowledge.default_models import adopt_default
from nexent_gql.domains.knowledge.errors import DocumentNotFoundError
from nexent_gql.domains.knowledge.event_log import record_events
from nexent_gql.domains.knowledge.events import document_deleted, state_changed
from nexent_gql.domains.knowledge.jobs import ProcessDocument, PurgeDocuments
from nexent_gql.domains.knowledge.policy import (
    MAX_DOCUMENT_NAME_CHARS,
    DocumentPatch,
    DocumentSource,
    check_text,
    check_url,
)
from nexent_gql.domains.knowledge.reading import Content, content_of, name_of_url
from nexent_gql.domains.knowledge.repository import DocumentRepository
from nexent_gql.domains.knowledge.tables import (
    UNFINISHED,
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
from nexent_gql.kernel.json import Json, JsonObject
from nexent_gql.kernel.patch import UNSET
from nexent_gql.kernel.principal import Principal
from nexent_gql.kernel.text import single_line


@dataclass(frozen=True, slots=True)
class DocumentContext:
    """What writing needs: a session that has locked `base`, and who writes."""

    session: AsyncSession
    actor: Principal
    base: KnowledgeBase
    clock: Clock


@dataclass(frozen=True, slots=True)
class DocumentLabels:
    """What a new document has beside its content.

    Attributes:
        client_id: Idempotency key of the call.
        batch_id: The batch that adds it.
        attributes: As they are stored.
    """

    client_id: str | None = None
    batch_id: UUID | None = None
    attributes: JsonObject = field(default_factory=dict[str, Json])


class DocumentWriter:
    """Writes documents of a base; call `finish` at the end of the transaction."""

    def __init__(self, context: DocumentContext) -> None:
        self._session = context.session
        self._actor = context.actor
        self._base = context.base
        self._clock = context.clock
        self._repository = DocumentRepository(context.session, context.actor.tenant_id)
        self._events: list[JsonObject] = []
        self._has_garbage = False
        self._has_adopted = False

    async def lock(self, row: DocumentRow) -> DocumentRow:
        """Return a document as it is after its lock was taken.

        Raises:
            DocumentNotFoundError: It was deleted meanwhile.
        """
        document = row.document
        if await self._repository.get(document.id, lock=True) is None:
            raise DocumentNotFoundError(document.id)
        await self._session.refresh(document)
        version = await self._repository.version(document.latest_version_id, lock=True)
        if version is None:
            raise DocumentNotFoundError(document.id)
        await self._session.refresh(version)
        return replace(row, version=version)

    async def add(self, content: Content, labels: DocumentLabels | None = None) -> DocumentRow:
        """Add a document and start to process it."""
        labels = labels or DocumentLabels()
        if not self._has_adopted:
            self._has_adopted = True
            await adopt_default(self._session, self._base)
        now = self._clock()
        document = Document(
            tenant_id=self._base.tenant_id,
            knowledge_base_id=self._base.id,
            name=content.name,
            client_id=labels.client_id,
            batch_id=labels.batch_id,
            attributes=labels.attributes,
            created_by=self._actor.user_id,
            latest_version_id=new_id(),
            created_at=now,
            updated_at=now,
        )
        self._repository.add(document)
        version = await self._start(document, content, 1, self._actor.user_id)
        return DocumentRow(document, version, None)

    async def replace(self, row: DocumentRow, content: Content) -> DocumentRow:
        """Process another content beside the one that is found."""
        row.document.name = content.name
        return await self._supersede(row, content, self._actor.user_id)

    async def reprocess(self, row: DocumentRow) -> DocumentRow:
        """Process the latest content again, with the present options of the base."""
        return await self._supersede(row, content_of(row.version), row.version.created_by)

    def update(self, row: DocumentRow, patch: DocumentPatch) -> None:
        """Change name and attributes; searches follow from the commit on.

        Raises:
            InvalidInputError: A field breaks a rule.
        """
        document = row.document
        if patch.name is not UNSET:
            document.name = single_line(patch.name, "name", max_chars=MAX_DOCUMENT_NAME_CHARS)
        if patch.attributes is not UNSET:
            document.attributes = stored_attributes(patch.attributes, "attributes")
        document.updated_at = self._clock()
        self._events.append(state_changed(document, row.version))

    async def cancel(self, row: DocumentRow) -> None:
        """Stop processing; a document that is not processed stays as it is."""
        if row.version.state in UNFINISHED:
            await self._cancel_unfinished(row.document.id)
            self._events.append(state_changed(row.document, row.version))

    async def delete(self, row: DocumentRow) -> None:
        """Hide a document; a job frees the space."""
        await self._cancel_unfinished(row.document.id)
        row.document.deleted_at = self._clock()
        self._events.append(document_deleted(row.document.id))
        self._has_garbage = True

    async def finish(self) -> None:
        """Record the events, and start the job that frees space."""
        if self._has_garbage:
            work = PurgeDocuments(knowledge_base_id=self._base.id, request_id=new_id())
            await enqueue(self._session, self._base.tenant_id, work)
        await record_events(self._session, self._base, self._clock(), *self._events)

    async def _supersede(self, row: DocumentRow, content: Content, created_by: UUID) -> DocumentRow:
        await self._cancel_unfinished(row.document.id)
        row.document.latest_version_id, row.document.updated_at = new_id(), self._clock()
        version = await self._start(row.document, content, row.version.number + 1, created_by)
        self._has_garbage = True
        return replace(row, version=version)

    async def _start(self, document: Document, content: Content, number: int, created_by: UUID) -> DocumentVersion:
        now = self._clock()
        version = DocumentVersion(
            id=document.latest_version_id,
            tenant_id=document.tenant_id,
            document_id=document.id,
            number=number,
            created_by=created_by,
            file_id=content.file_id,
            source_url=content.url,
            source_text=content.text,
            created_at=now,
            updated_at=now,
        )
        lost_file = StoredFileNotFoundError(content.file_id or new_id())
        with translate_violations({"fk_document_version_tenant_id_file_id": lost_file}):
            self._session.add(version)
            await self._session.flush()
        work = ProcessDocument(document_id=document.id, version_id=version.id, stage=DocumentStage.EXTRACT)
        version.job_id = await enqueue(self._session, document.tenant_id, work, user_id=self._actor.user_id)
        self._events.append(state_changed(document, version))
        return version

    async def _cancel_unfinished(self, document_id: UUID) -> None:
        for version in await self._repository.unfinished(document_id):
            version.state, version.updated_at = DocumentState.CANCELLED, self._clock()
            if version.job_id is not None:
                await request_cancel(self._session, version.job_id)


async def check_source(session: AsyncSession, files: FileService, actor: Principal, source: DocumentSource) -> Content:
    """Return the content that a source names.

    Raises:
        StoredFileNotFoundError: The caller has no such file.
        InvalidInputError: Text, address or name break a rule.
    """
    if source.url is not None:
        url, name = check_url(source, source.url)
        return Content(name or name_of_url(url), url=url)
    if source.file_id is None:
        text, name = check_text(source)
        return Content(name, text=text)
    file = await files.get_within(session, actor, source.file_id)
    return Content(source.name or file.name, file_id=file.id)
