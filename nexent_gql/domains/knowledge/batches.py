"""Use cases of many documents at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from uuid import UUID

from nexent_gql.db.session import Database
from nexent_gql.db.violations import translate_violations
from nexent_gql.domains.files.service import FileService
from nexent_gql.domains.knowledge.attributes import DocumentAttribute, stored_attributes
from nexent_gql.domains.knowledge.batch_repository import DocumentBatchRepository
from nexent_gql.domains.knowledge.errors import DocumentReusedError
from nexent_gql.domains.knowledge.filters import DocumentFilter
from nexent_gql.domains.knowledge.jobs import ReprocessDocuments
from nexent_gql.domains.knowledge.limits import KnowledgeLimits
from nexent_gql.domains.knowledge.policy import DocumentSource
from nexent_gql.domains.knowledge.repository import DocumentRepository
from nexent_gql.domains.knowledge.service import writable_base
from nexent_gql.domains.knowledge.tables import UNFINISHED, DocumentBatch, DocumentState
from nexent_gql.domains.knowledge.writing import DocumentContext, DocumentLabels, DocumentWriter, check_source
from nexent_gql.jobs.enqueue import enqueue
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.json import dumps
from nexent_gql.kernel.principal import Principal

MAX_SOURCES = 100


class BatchState(StrEnum):
    """PROCESSING until every document has ended; then READY, FAILED, or PARTIAL if some are READY."""

    PROCESSING = "PROCESSING"
    READY = "READY"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class BatchStatus:
    """A batch, and how many of its documents are in each state; deleted ones are in none."""

    batch: DocumentBatch
    counts: Mapping[DocumentState, int]

    @property
    def state(self) -> BatchState:
        """The state of the whole; a batch whose documents were all deleted is READY."""
        if any(self.counts.get(state) for state in UNFINISHED):
            return BatchState.PROCESSING
        ready = self.counts.get(DocumentState.READY, 0)
        if ready == sum(self.counts.values()):
            return BatchState.READY
        return BatchState.PARTIAL if ready else BatchState.FAILED


class DocumentBatchService:
    """Adds and reprocesses many documents at once."""

    def __init__(self, db: Database, files: FileService, clock: Clock, limits: KnowledgeLimits | None = None) -> None:
        self._db = db
        self._files = files
        self._clock = clock
        self._limits = limits or KnowledgeLimits()

    async def add(
        self,
        actor: Principal,
        base_id: UUID,
        sources: Sequence[DocumentSource],
        client_id: str | None = None,
        *,
        attributes: Sequence[DocumentAttribute] = (),
    ) -> BatchStatus:
        """Add all of `sources` to a base, or none, and start to process them.

        Raises:
            KnowledgeBaseNotFoundError: The caller can read no such base.
            KnowledgeBaseReadOnlyError: The caller may only read it.
            StoredFileNotFoundError: The caller has no such file.
            InvalidInputError: There are too many sources or none, or one or an attribute breaks a rule.
            DocumentReusedError: `client_id` came with other sources before.
            KnowledgeLimitError: The base would have too many documents.
        """
        if not 1 <= len(sources) <= MAX_SOURCES:
            raise InvalidInputError(f"Give 1 to {MAX_SOURCES} sources.", path=("sources",), limit=MAX_SOURCES)
        stored = stored_attributes(attributes, "attributes")
        fingerprint = sha256(dumps([base_id, *sources, *([stored] if stored else [])])).hexdigest()
        reused = DocumentReusedError(client_id or "")
        with translate_violations({"uq_document_batch_client_id": reused}):
            async with self._db.transaction(actor.tenant_id) as session:
                base = await writable_base(session, actor, base_id)
                repository = DocumentBatchRepository(session, actor.tenant_id)
                if client_id is not None and (earlier := await repository.by_client_id(base.id, client_id)):
                    if earlier.fingerprint != fingerprint:
                        raise reused
                    counts = await repository.counts([earlier.id])
                    return BatchStatus(earlier, counts.get(earlier.id, {}))
                await self._limits.require_documents(session, base, len(sources))
                contents = [await check_source(session, self._files, actor, source) for source in sources]
                batch = DocumentBatch(
                    tenant_id=actor.tenant_id,
                    knowledge_base_id=base.id,
                    client_id=client_id,
                    fingerprint=fingerprint,
                    document_count=len(contents),
                    created_at=self._clock(),
                )
                repository.add(batch)
                await session.flush()  # before the documents, which refer to it
                writer = DocumentWriter(DocumentContext(session, actor, base, self._clock))
                for content in contents:
                    await writer.add(content, DocumentLabels(batch_id=batch.id, attributes=stored))
                await writer.finish()
        return BatchStatus(batch, {DocumentState.QUEUED: len(contents)})

    async def get_many(self, actor: Principal, ids: Sequence[UUID]) -> list[BatchStatus]:
        """Return those of `ids` whose base the caller may read, in any order."""
        async with self._db.read(actor.tenant_id) as session:
            repository = DocumentBatchRepository(session, actor.tenant_id)
            batches = await repository.readable(actor.user_id, ids)
            counts = await repository.counts([batch.id for batch in batches])
        return [BatchStatus(batch, counts.get(batch.id, {})) for batch in batches]

    async def reprocess(self, actor: Principal, base_id: UUID, conditions: DocumentFilter) -> int:
        """Start a job that processes all documents again that match; return how many do now.

        Raises:
            KnowledgeBaseNotFoundError: The caller can read no such base.
            KnowledgeBaseReadOnlyError: The caller may only read it.
        """
        async with self._db.transaction(actor.tenant_id) as session:
            base = await writable_base(session, actor, base_id)
            count = await DocumentRepository(session, actor.tenant_id).count_of_base(base.id, conditions)
            work = ReprocessDocuments(
                knowledge_base_id=base.id,
                request_id=new_id(),
                user_id=actor.user_id,
                requested_at=self._clock(),
                states=conditions.states,
                codes=conditions.codes,
                batch_id=conditions.batch_id,
            )
            await enqueue(session, actor.tenant_id, work, user_id=actor.user_id)
        return count
