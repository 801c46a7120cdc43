"""Queries of runs."""

from typing import Annotated

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.runs.types import Run, run_by_id
from nexent_gql.api.runs.values import RunStatus
from nexent_gql.api.schema.connections import PageArguments, connection_field
from nexent_gql.api.schema.permissions import SignedIn
from nexent_gql.api.schema.relay import Connection, connection, find_node, node_id
from nexent_gql.domains.runs.service import RunFilter

RunId = Annotated[strawberry.ID, strawberry.argument(description="ID of the Run.")]
OfConversation = Annotated[
    strawberry.ID | None,
    strawberry.argument(
        description="ID of a Conversation. Returns only its runs; null returns the runs of all conversations."
    ),
]
InStatus = Annotated[
    RunStatus | None, strawberry.argument(description="Returns only runs in this status; null returns all.")
]


@strawberry.type
class RunQueries:
    @strawberry.field(
        description="Returns one of your runs; null if it does not exist or is not yours.",
        permission_classes=[SignedIn],
    )
    async def run(self, info: Info, id: RunId) -> Run | None:
        return await find_node(info, run_by_id, id, "Run")

    @connection_field(description="Lists your runs, newest first.", permission_classes=[SignedIn])
    async def runs(
        self, info: Info, page: PageArguments, conversation_id: OfConversation = None, status: InStatus = None
    ) -> Connection[Run]:
        actor, service = info.context.actor, info.context.services.runs
        key = node_id(conversation_id, "Conversation", "conversationId") if conversation_id is not None else None
        which = RunFilter(conversation_id=key, status=status)
        rows = await service.list_own(actor, page.request(), which)
        return connection(rows, Run.of, count=lambda: service.count_own(actor, which))
