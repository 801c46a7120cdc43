"""Use cases of summaries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from nexent_gql.db.session import Database
from nexent_gql.db.violations import translate_violations
from nexent_gql.domains.knowledge.errors import DocumentReusedError, SummaryNotFoundError
from nexent_gql.domains.knowledge.event_log import record_events
from nexent_gql.domains.knowledge.events import summary_changed
from nexent_gql.domains.knowledge.jobs import SummarizeKnowledgeBase
from nexent_gql.domains.knowledge.service import writable_base
from nexent_gql.domains.knowledge.summary_repository import SummaryRepository
from nexent_gql.domains.knowledge.summary_tables import KnowledgeSummary, SummaryState
from nexent_gql.domains.models.endpoints import require_model
from nexent_gql.jobs.enqueue import enqueue, request_cancel
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.principal import Principal
from nexent_gql.kernel.text import single_line
from nexent_gql.ports.llm import ModelKind

MAX_LANGUAGE_CHARS = 40


@dataclass(frozen=True, slots=True)
class SummaryRequest:
    """What to write.

    Attributes:
        model_id: A CHAT model; None is the tenant's default.
        language: Of the summary, as people call it or as a code; None is that of most documents.
    """

    model_id: UUID | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """A summary as its reader may see it.

    Attributes:
        summary: The row; do not show its content if `is_withheld`.
        is_stale: Whether documents were added, changed or deleted since it was begun.
        is_withheld: Whether a document was deleted that it was made from.
    """

    summary: KnowledgeSummary
    is_stale: bool
    is_withheld: bool

    @property
    def content(self) -> str | None:
        """The text so far; None where it is withheld."""
        return None if self.is_withheld else self.summary.content


class KnowledgeSummaryService:
    """Starts, cancels and reads summaries of bases that the caller may read."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def start(
        self, actor: Principal, base_id: UUID, request: SummaryRequest, client_id: str | None = None
    ) -> SummaryRow:
        """Start to write a summary of a base, in place of one that is being written; a READY one stays until it is.

        Raises:
            KnowledgeBaseNotFoundError: The caller can read no such base.
            KnowledgeBaseReadOnlyError: The caller may only read it.
            ChatModelNotFoundError: The tenant has no such model.
            ModelKindMismatchError: The model is no CHAT model.
            NoDefaultModelError: The tenant has no CHAT model.
            InvalidInputError: The language breaks a rule.
            DocumentReusedError: `client_id` came with another request before.
        """
        name = request.language
        language = single_line(name, "language", max_chars=MAX_LANGUAGE_CHARS) if name else None
        reused = DocumentReusedError(client_id or "")
        with translate_violations({"uq_knowledge_summary_client_id": reused}):
            async with self._db.transaction(actor.tenant_id) as session:
                base = await writable_base(session, actor, base_id)
                await require_model(session, actor.tenant_id, request.model_id, ModelKind.CHAT)
                repository = SummaryRepository(session, actor.tenant_id)
                if client_id is not None and (earlier := await repository.by_client_id(base.id, client_id)):
                    if (earlier.model_id, earlier.language) != (request.model_id, language):
                        raise reused
                    return (await _visible(session, actor, [earlier]))[0]
                await repository.delete_finished(base_id, keep_ready=True)
                cancelled = [summary_changed(row) for row in await self._cancel_unfinished(session, actor, base_id)]
                summary = KnowledgeSummary(
                    tenant_id=actor.tenant_id,
                    knowledge_base_id=base_id,
                    requested_by=actor.user_id,
                    client_id=client_id,
                    model_id=request.model_id,
                    language=language,
                    created_at=self._clock(),
                )
                repository.add(summary)
                await session.flush()
                work = SummarizeKnowledgeBase(knowledge_base_id=base_id, summary_id=summary.id)
                summary.job_id = await enqueue(session, actor.tenant_id, work, user_id=actor.user_id)
                await record_events(session, base, self._clock(), *cancelled, summary_changed(summary))
        return SummaryRow(summary, is_stale=False, is_withheld=False)

    async def cancel(self, actor: Principal, summary_id: UUID) -> SummaryRow:
        """Stop writing a summary; one that has ended stays as it is.

        Raises:
            SummaryNotFoundError: The caller can read no such summary.
            KnowledgeBaseReadOnlyError: The caller may only read its base.
        """
        async with self._db.transaction(actor.tenant_id) as session:
            repository = SummaryRepository(session, actor.tenant_id)
            rows = await repository.readable(actor.user_id, [summary_id])
            if not rows:
                raise SummaryNotFoundError(summary_id)
            base = await writable_base(session, actor, rows[0].knowledge_base_id)
            cancelled = await self._cancel_unfinished(session, actor, base.id, only=summary_id)
            (row,) = await _visible(session, actor, cancelled or rows)
            await record_events(session, base, self._clock(), *map(summary_changed, cancelled))
        return row

    async def get_many(self, actor: Principal, ids: Sequence[UUID]) -> list[SummaryRow]:
        """Return those of `ids` whose base the caller may read, in any order."""
        async with self._db.read(actor.tenant_id) as session:
            rows = await SummaryRepository(session, actor.tenant_id).readable(actor.user_id, ids)
            return await _visible(session, actor, rows)

    async def newest(
        self, actor: Principal, base_ids: Sequence[UUID], state: SummaryState | None = None
    ) -> Mapping[UUID, SummaryRow]:
        """Return the newest summary of each base that the caller may read, of one state or of any."""
        async with self._db.read(actor.tenant_id) as session:
            rows = await SummaryRepository(session, actor.tenant_id).newest(actor.user_id, base_ids, state)
            return {row.summary.knowledge_base_id: row for row in await _visible(session, actor, rows)}

    async def _cancel_unfinished(
        self, session: AsyncSession, actor: Principal, base_id: UUID, *, only: UUID | None = None
    ) -> list[KnowledgeSummary]:
        cancelled: list[KnowledgeSummary] = []
        for row in await SummaryRepository(session, actor.tenant_id).unfinished(base_id):
            if only in {None, row.id}:
                row.state, row.finished_at = SummaryState.CANCELLED, self._clock()
                if row.job_id is not None:
                    await request_cancel(session, row.job_id)
                cancelled.append(row)
        await session.flush()
        return cancelled


async def _visible(session: AsyncSession, actor: Principal, rows: Sequence[KnowledgeSummary]) -> list[SummaryRow]:
    """Compare summaries with what is in their bases now."""
    if not rows:
        return []
    repository = SummaryRepository(session, actor.tenant_id)
    withheld = await repository.with_deleted_documents([row.id for row in rows])
    revisions = await repository.revisions({row.knowledge_base_id for row in rows})
    return [
        SummaryRow(
            row,
            is_stale=row.revision is not None and row.revision != revisions.get(row.knowledge_base_id, ""),
            is_withheld=row.id in withheld,
        )
        for row in rows
    ]
