"""Reading runs."""

from typing import Annotated

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.conversations.types import Run
from nexent_gql.api.runs.values import RunStatus
from nexent_gql.api.schema.permissions import SignedIn
from nexent_gql.api.schema.relay import (
    After,
    Before,
    Connection,
    First,
    Last,
    connection,
    node_id,
    page_request,
    parse_id,
)
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
        return await Run.find(info, parse_id(id, "Run"))

    @strawberry.field(description="Lists your runs, newest first.", permission_classes=[SignedIn])
    async def runs(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        conversation_id: OfConversation = None,
        status: InStatus = None,
    ) -> Connection[Run]:
        actor, service = info.context.actor, info.context.services.runs
        key = node_id(conversation_id, "Conversation", "conversationId") if conversation_id is not None else None
        which = RunFilter(conversation_id=key, status=status)
        page = await service.list_own(actor, page_request(first, after, last, before), which)
        return connection(page, Run.of, count=lambda: service.count_own(actor, which))
