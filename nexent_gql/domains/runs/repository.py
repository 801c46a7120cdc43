"""Reads and writes runs of one tenant."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from nexent_gql.db.paging import newest_first
from nexent_gql.domains.runs.tables import Run, RunArchive, RunStatus
from nexent_gql.kernel.page import Page, PageRequest

_COUNT_ACTIVE = text("SELECT count(*) FROM run WHERE tenant_id = :tenant AND finished_at IS NULL")
_BEGIN = text("""
    UPDATE run SET attempt = :attempt, status = 'RUNNING', started_at = COALESCE(started_at, :now)
     WHERE tenant_id = :tenant AND id = :run AND finished_at IS NULL RETURNING id
""")
_LATEST = text("""
    SELECT latest.* FROM unnest(CAST(:conversations AS uuid[])) AS wanted (id) CROSS JOIN LATERAL (
        SELECT * FROM run WHERE tenant_id = :tenant AND owner_id = :owner AND conversation_id = wanted.id
         ORDER BY created_at DESC, id DESC LIMIT 1) AS latest
""")


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs of an owner; None: all."""

    conversation_id: UUID | None = None
    status: RunStatus | None = None


class RunRepository:
    """Reads and writes the runs of one owner; every query names the tenant and the owner.

    Args:
        session: An open transaction.
        tenant_id: The tenant.
        owner_id: The owner. None is for workers, who know a run by its job and not yet whose it is.
    """

    def __init__(self, session: AsyncSession, tenant_id: UUID, owner_id: UUID | None) -> None:
        self._session = session
        self._tenant_id = tenant_id
        self._owner_id = owner_id

    def add(self, row: Run | RunArchive) -> None:
        """Insert or update on flush."""
        self._session.add(row)

    async def get(self, run_id: UUID, *, lock: bool = False) -> Run | None:
        """Return a run; `lock` holds it until the transaction ends."""
        query = self._runs().where(col(Run.id) == run_id)
        return (await self._session.scalars(query.with_for_update() if lock else query)).one_or_none()

    async def begin(self, run_id: UUID, attempt: int, now: datetime) -> bool:
        """Say that an attempt has begun; False when there is nothing to do any more."""
        values = {"tenant": self._tenant_id, "run": run_id, "attempt": attempt, "now": now}
        return (await self._session.execute(_BEGIN, values)).first() is not None

    async def get_many(self, ids: Sequence[UUID]) -> list[Run]:
        """Return those of `ids` that exist, in any order."""
        query = self._runs().where(col(Run.id).in_(ids))
        return list((await self._session.scalars(query)).all())

    async def by_client_id(self, client_id: str) -> Run | None:
        """Return the run that was asked for under `client_id`."""
        query = self._runs().where(col(Run.client_id) == client_id)
        return (await self._session.scalars(query)).one_or_none()

    async def active(self, conversation_id: UUID) -> list[Run]:
        """Return the conversation's runs that have not ended, oldest first."""
        query = self._runs().where(col(Run.conversation_id) == conversation_id, col(Run.finished_at).is_(None))
        return list((await self._session.scalars(query.order_by(col(Run.created_at), col(Run.id)))).all())

    async def count_active(self) -> int:
        """Count the tenant's runs that have not ended."""
        return (await self._session.execute(_COUNT_ACTIVE, {"tenant": self._tenant_id})).scalar_one()

    async def latest(self, conversation_ids: Sequence[UUID]) -> list[Run]:
        """Return the newest run of each conversation that has one."""
        values = {"tenant": self._tenant_id, "owner": self._owner_id, "conversations": list(conversation_ids)}
        return list((await self._session.scalars(select(Run).from_statement(_LATEST), values)).all())

    async def page(self, page: PageRequest, which: RunFilter) -> Page[Run]:
        """Return runs, newest first."""
        query = self._filtered(which)
        return await newest_first(self._session, query, Run, page)

    async def count(self, which: RunFilter) -> int:
        """Count what `page` would go through."""
        matching = self._filtered(which).subquery()
        return (await self._session.execute(select(func.count()).select_from(matching))).scalar_one()

    async def archive(self, run_id: UUID) -> RunArchive | None:
        """Return the events of a finished run."""
        mine = self._runs().where(col(Run.id) == run_id).with_only_columns(col(Run.id))
        query = select(RunArchive).where(col(RunArchive.tenant_id) == self._tenant_id, col(RunArchive.run_id).in_(mine))
        return (await self._session.scalars(query)).one_or_none()

    def _runs(self) -> Select[Run]:
        query = select(Run).where(col(Run.tenant_id) == self._tenant_id)
        return query if self._owner_id is None else query.where(col(Run.owner_id) == self._owner_id)

    def _filtered(self, which: RunFilter) -> Select[Run]:
        query = self._runs()
        if which.conversation_id is not None:
            query = query.where(col(Run.conversation_id) == which.conversation_id)
        if which.status is not None:
            query = query.where(col(Run.status) == which.status)
        return query
