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

RunId = Annotated[strawberry.ID, strawberry.argument(description="The id of a Run.")]
OfConversation = Annotated[
    strawberry.ID | None, strawberry.argument(description="Only runs of this Conversation. Null means all.")
]
InStatus = Annotated[RunStatus | None, strawberry.argument(description="Only runs with this status. Null means any.")]


@strawberry.type
class RunQueries:
    """Reads."""

    @strawberry.field(description="One of your runs; null when you have no such one.", permission_classes=[SignedIn])
    async def run(self, info: Info, id: RunId) -> Run | None:
        """Look up by id."""
        return await Run.find(info, parse_id(id, "Run"))

    @strawberry.field(description="Your runs, newest first.", permission_classes=[SignedIn])
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
        """Page through them."""
        actor, service = info.context.actor, info.context.services.runs
        key = node_id(conversation_id, "Conversation", "conversationId") if conversation_id is not None else None
        which = RunFilter(conversation_id=key, status=status)
        page = await service.list_own(actor, page_request(first, after, last, before), which)
        return connection(page, Run.of, count=lambda: service.count_own(actor, which))
