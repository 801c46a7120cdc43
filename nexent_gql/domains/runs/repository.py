"""Reads and writes runs of one tenant."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, exists, func, select, text
from sqlmodel import col

from nexent_gql.db.paging import count_rows, keyset
from nexent_gql.db.repository import OwnerRepository, TenantRepository
from nexent_gql.domains.conversations.tables import Conversation, Message
from nexent_gql.domains.runs.rated_answers import RatedAnswer, RatingFilter
from nexent_gql.domains.runs.tables import Run, RunArchive, RunStatus
from nexent_gql.kernel.page import Cursor, Page, PageRequest, page_of

_COUNT_ACTIVE = text("SELECT count(*) FROM run WHERE tenant_id = :tenant AND finished_at IS NULL")
_BEGIN = text("""
    UPDATE run SET attempt = :attempt, status = 'RUNNING', started_at = COALESCE(started_at, :now)
     WHERE tenant_id = :tenant AND id = :run AND finished_at IS NULL RETURNING id
""")
_RELEASE_CLIENT_IDS = text("""
    UPDATE run SET client_id = NULL, request_hash = NULL
     WHERE tenant_id = :tenant AND owner_id = :owner AND conversation_id = :conversation AND client_id IS NOT NULL
    RETURNING id
""")
_LATEST = text("""
    SELECT latest.* FROM unnest(CAST(:conversations AS uuid[])) AS wanted (id) CROSS JOIN LATERAL (
        SELECT * FROM run WHERE tenant_id = :tenant AND owner_id = :owner AND conversation_id = wanted.id
         ORDER BY created_at DESC, id DESC LIMIT 1) AS latest
     WHERE EXISTS (SELECT FROM conversation WHERE tenant_id = :tenant AND id = wanted.id AND deleted_at IS NULL)
""")


_IN_CONVERSATION = exists().where(
    col(Conversation.tenant_id) == col(Run.tenant_id),
    col(Conversation.id) == col(Run.conversation_id),
    col(Conversation.deleted_at).is_(None),
)


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs of an owner; None: all."""

    conversation_id: UUID | None = None
    status: RunStatus | None = None


class TenantRunRepository(TenantRepository[Run], table=Run):
    """The runs of all owners: for workers, which know a run by its job, and for limits of a tenant."""

    async def begin(self, run_id: UUID, attempt: int, now: datetime) -> bool:
        """Record that an attempt began; False when the run is finished or deleted."""
        values = {"tenant": self._tenant_id, "run": run_id, "attempt": attempt, "now": now}
        return (await self._session.execute(_BEGIN, values)).first() is not None

    async def count_active(self) -> int:
        """Count the tenant's runs that have not ended."""
        return (await self._session.execute(_COUNT_ACTIVE, {"tenant": self._tenant_id})).scalar_one()

    async def page_of_ratings(self, page: PageRequest, filters: RatingFilter) -> Page[RatedAnswer]:
        """Return ratings of answers in conversations that are not deleted, newest answers first."""
        query = keyset(self._ratings(filters), page, col(Message.created_at), col(Message.id))
        rows = [RatedAnswer(*row) for row in await self._session.execute(query)]
        return page_of(rows, page, lambda row: Cursor(at=row.answered_at, id=row.message_id))

    async def count_ratings(self, filters: RatingFilter) -> int:
        """Count the ratings that `page_of_ratings` goes through."""
        query = select(func.count()).select_from(self._ratings(filters).subquery())
        return (await self._session.execute(query)).scalar_one()

    def _ratings(self, filters: RatingFilter) -> Select[UUID, str | None, str | None, datetime, UUID, str | None]:
        rating, agent_id = col(Message.rating), col(Run.agent_id)
        query = (
            select(
                col(Message.id),
                rating,
                col(Message.rating_comment),
                col(Message.created_at),
                agent_id,
                col(Run.model_name),
            )
            .join(Run, (col(Run.tenant_id) == col(Message.tenant_id)) & (col(Run.id) == col(Message.run_id)))
            .where(col(Message.tenant_id) == self._tenant_id, rating.is_not(None), _IN_CONVERSATION)
        )
        if filters.agent_id is not None:
            query = query.where(agent_id == filters.agent_id)
        if filters.rating is not None:
            query = query.where(rating == filters.rating)
        return query


class RunRepository(OwnerRepository[Run], table=Run, visible=(_IN_CONVERSATION,)):
    """The runs of one owner; those of deleted conversations do not exist."""

    async def by_client_id(self, client_id: str) -> Run | None:
        """Return the run that was started with `client_id`."""
        query = self._scope().where(col(Run.client_id) == client_id)
        return (await self._session.scalars(query)).one_or_none()

    async def active(self, conversation_id: UUID) -> list[Run]:
        """Return the conversation's runs that have not ended, oldest first."""
        query = self._scope().where(col(Run.conversation_id) == conversation_id, col(Run.finished_at).is_(None))
        return list((await self._session.scalars(query.order_by(col(Run.created_at), col(Run.id)))).all())

    async def release_client_ids(self, conversation_id: UUID) -> int:
        """Forget the client ids of a conversation's runs; return how many runs had one.

        A message that is sent again to a deleted conversation is then refused as not found, and not answered with the
        earlier run.
        """
        values = {"tenant": self._tenant_id, "owner": self._owner_id, "conversation": conversation_id}
        return len((await self._session.execute(_RELEASE_CLIENT_IDS, values)).all())

    async def latest(self, conversation_ids: Sequence[UUID]) -> list[Run]:
        """Return the newest run of each conversation that has one."""
        values = {"tenant": self._tenant_id, "owner": self._owner_id, "conversations": list(conversation_ids)}
        return list((await self._session.scalars(select(Run).from_statement(_LATEST), values)).all())

    async def page_filtered(self, page: PageRequest, which: RunFilter) -> Page[Run]:
        """Return runs, newest first."""
        return await self._page(self._filtered(which), page)

    async def count_filtered(self, which: RunFilter) -> int:
        """Count the runs that `page_filtered` goes through."""
        return await count_rows(self._session, self._filtered(which))

    async def archive(self, run_id: UUID) -> RunArchive | None:
        """Return the events of a finished run."""
        return next(iter(await self.archives([run_id])), None)

    async def archives(self, ids: Sequence[UUID]) -> list[RunArchive]:
        """Return the events of those of `ids` that are finished runs, in any order."""
        mine = self._scope().where(col(Run.id).in_(ids)).with_only_columns(col(Run.id))
        query = select(RunArchive).where(col(RunArchive.tenant_id) == self._tenant_id, col(RunArchive.run_id).in_(mine))
        return list((await self._session.scalars(query)).all())

    def _filtered(self, which: RunFilter) -> Select[Run]:
        query = self._scope()
        if which.conversation_id is not None:
            query = query.where(col(Run.conversation_id) == which.conversation_id)
        if which.status is not None:
            query = query.where(col(Run.status) == which.status)
        return query
