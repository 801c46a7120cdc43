"""Loaders of agents."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from nexent_gql.api.agents.types import Agent
from nexent_gql.api.context import Context, one


@one
async def agent_by_id(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, Agent]:
    """Load agents of the caller's tenant, deleted ones too: for whatever refers to them."""
    return {row.id: Agent.of(row) for row in await context.services.agents.get_many(context.actor, ids)}


@one
async def living_agent_by_id(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, Agent]:
    """Load agents of the caller's tenant that are not deleted, for lookups by id."""
    agents = await context.loaders[agent_by_id].load_many(list(ids))
    return {agent.id: agent for agent in agents if agent is not None and agent.deleted_at is None}
