"""Reads and writes the agents of one tenant."""

from collections.abc import Sequence
from typing import TypeVar
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from nexent_gql.db.paging import newest_first
from nexent_gql.db.rows import ById
from nexent_gql.db.search import contains_folded
from nexent_gql.domains.agents.tables import Agent
from nexent_gql.kernel.page import Page, PageRequest

_LIVING = ById(Agent, col(Agent.deleted_at).is_(None))
_Row = TypeVar("_Row", Agent, int)


class AgentRepository:
    """All queries carry the tenant, whatever the database's policies do."""

    def __init__(self, session: AsyncSession, tenant_id: UUID) -> None:
        self._session = session
        self._tenant_id = tenant_id

    def add(self, row: Agent) -> None:
        """Insert on flush."""
        self._session.add(row)

    async def get(self, agent_id: UUID, *, lock: bool = False) -> Agent | None:
        """Return a living agent; `lock` holds it until the transaction ends."""
        return await _LIVING.get(self._session, self._tenant_id, agent_id, lock=lock)

    async def get_many(self, ids: Sequence[UUID]) -> Sequence[Agent]:
        """Return those of `ids` that exist, deleted ones too, in any order."""
        query = select(Agent).where(col(Agent.tenant_id) == self._tenant_id, col(Agent.id).in_(ids))
        return (await self._session.scalars(query)).all()

    async def page(self, page: PageRequest, search: str | None) -> Page[Agent]:
        """Return living agents, newest first; `search` is part of the name, in any case."""
        query = _named(self._living(select(Agent)), search)
        return await newest_first(self._session, query, Agent, page)

    async def count(self, search: str | None) -> int:
        """Count what `page` would go through."""
        query = _named(self._living(select(func.count()).select_from(Agent)), search)
        return (await self._session.execute(query)).scalar_one()

    async def using_model(self, model_id: UUID, most: int) -> Sequence[Agent]:
        """Return living agents with a model, by name, at most `most`."""
        query = self._living(select(Agent)).where(col(Agent.model_id) == model_id)
        return (await self._session.scalars(query.order_by(col(Agent.name)).limit(most))).all()

    async def names_ever(self, names: Sequence[str]) -> set[str]:
        """Return those of `names` that an agent has or a deleted one had."""
        query = select(col(Agent.name)).where(col(Agent.tenant_id) == self._tenant_id, col(Agent.name).in_(names))
        return set((await self._session.scalars(query)).all())

    def _living(self, query: Select[_Row]) -> Select[_Row]:
        return query.where(col(Agent.tenant_id) == self._tenant_id, col(Agent.deleted_at).is_(None))


def _named(query: Select[_Row], search: str | None) -> Select[_Row]:
    return query.where(contains_folded(col(Agent.name_key), search)) if search else query
