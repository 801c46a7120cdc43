"""Reads and writes the agents of one tenant."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from nexent_gql.db.repository import TenantRepository
from nexent_gql.domains.agents.tables import Agent


class AgentRepository(
    TenantRepository[Agent], table=Agent, where=(col(Agent.deleted_at).is_(None),), search_key="name_key"
):
    """The agents of one tenant; only `get_many` and `used_names` also return deleted ones."""

    async def using_model(self, model_id: UUID, limit: int) -> Sequence[Agent]:
        """Return the first `limit` agents with a model, by name."""
        query = self._matching(None).where(col(Agent.model_id) == model_id)
        return (await self._session.scalars(query.order_by(col(Agent.name)).limit(limit))).all()

    async def using_route(self, route_id: UUID, limit: int) -> Sequence[Agent]:
        """Return the first `limit` agents with a route, by name."""
        query = self._matching(None).where(col(Agent.route_id) == route_id)
        return (await self._session.scalars(query.order_by(col(Agent.name)).limit(limit))).all()

    async def used_names(self, names: Sequence[str]) -> set[str]:
        """Return those of `names` that an agent has or a deleted one had."""
        query = select(col(Agent.name)).where(col(Agent.tenant_id) == self._tenant_id, col(Agent.name).in_(names))
        return set((await self._session.scalars(query)).all())
