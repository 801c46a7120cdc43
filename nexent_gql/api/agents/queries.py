"""Reading agents."""

from typing import Annotated

import strawberry

from nexent_gql.api.agents.loaders import living_agent_by_id
from nexent_gql.api.agents.types import Agent
from nexent_gql.api.context import Info
from nexent_gql.api.schema.permissions import SignedIn
from nexent_gql.api.schema.relay import After, Before, Connection, First, Last, connection, page_request, parse_id

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
        key = parse_id(id, "Agent")
        return None if key is None else await info.context.loaders[living_agent_by_id].load(key)

    @strawberry.field(
        description="Lists the agents of your tenant, newest first. Deleted agents are left out.",
        permission_classes=[SignedIn],
    )
    async def agents(
        self,
        info: Info,
        search: _Search = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Agent]:
        actor, service = info.context.actor, info.context.services.agents
        page = await service.page(actor, page_request(first, after, last, before), search=search)
        return connection(page, Agent.of, count=lambda: service.count(actor, search=search))
