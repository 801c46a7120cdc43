"""Queries of agents."""

from typing import Annotated

import strawberry

from nexent_gql.api.agents.loaders import living_agent_by_id
from nexent_gql.api.agents.types import Agent
from nexent_gql.api.context import Info
from nexent_gql.api.schema.connections import PageArguments, connection_field
from nexent_gql.api.schema.permissions import SignedIn
from nexent_gql.api.schema.relay import Connection, connection, find_node

_Id = Annotated[strawberry.ID, strawberry.argument(description="ID of the Agent.")]
_Search = Annotated[
    str | None,
    strawberry.argument(
        description="Returns only agents whose name contains this text, at most 200 characters. Ignores case, "
        "width and composition of characters. Null or blank returns all."
    ),
]


@strawberry.type
class AgentQueries:
    @strawberry.field(
        description="Returns an agent; null if it does not exist, is deleted or belongs to another tenant.",
        permission_classes=[SignedIn],
    )
    async def agent(self, info: Info, id: _Id) -> Agent | None:
        return await find_node(info, living_agent_by_id, id, "Agent")

    @connection_field(
        description="Lists the agents of your tenant, newest first. Deleted agents are left out.",
        permission_classes=[SignedIn],
    )
    async def agents(self, info: Info, page: PageArguments, search: _Search = None) -> Connection[Agent]:
        actor, service = info.context.actor, info.context.services.agents
        rows = await service.page(actor, page.request(), search=search)
        return connection(rows, Agent.of, count=lambda: service.count(actor, search=search))
