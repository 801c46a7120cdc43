"""Reading agents."""

from typing import Annotated

import strawberry

from nexent_gql.api.agents.loaders import living_agent_by_id
from nexent_gql.api.agents.types import Agent
from nexent_gql.api.context import Info
from nexent_gql.api.schema.permissions import SignedIn
from nexent_gql.api.schema.relay import After, Before, Connection, First, Last, connection, page_request, parse_id

_Id = Annotated[strawberry.ID, strawberry.argument(description="The id of an Agent.")]
_Search = Annotated[
    str | None,
    strawberry.argument(
        description="A part of the name, at most 200 characters; blank finds all. Case, width and composition of "
        "characters make no difference."
    ),
]


@strawberry.type
class AgentQueries:
    """Reads."""

    @strawberry.field(
        description="One agent; null when there is none for you, or it is deleted.", permission_classes=[SignedIn]
    )
    async def agent(self, info: Info, id: _Id) -> Agent | None:
        """Look up by id, through the same loader as `node`."""
        key = parse_id(id, "Agent")
        return None if key is None else await info.context.loaders[living_agent_by_id].load(key)

    @strawberry.field(description="The agents of your tenant, newest first.", permission_classes=[SignedIn])
    async def agents(
        self,
        info: Info,
        search: _Search = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Agent]:
        """Page through them."""
        actor, service = info.context.actor, info.context.services.agents
        page = await service.page(actor, page_request(first, after, last, before), search=search)
        return connection(page, Agent.of, count=lambda: service.count(actor, search=search))
