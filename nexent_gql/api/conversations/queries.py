"""Reading conversations and messages."""

from typing import Annotated

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.conversations.types import Conversation, Message
from nexent_gql.api.permissions import SignedIn
from nexent_gql.api.relay import After, Before, Connection, First, Last, connection, page_request, parse_id
from nexent_gql.domains.conversations.service import MAX_SEARCH_CHARS

ConversationId = Annotated[strawberry.ID, strawberry.argument(description="The id of a Conversation.")]
MessageId = Annotated[strawberry.ID, strawberry.argument(description="The id of a Message.")]
Search = Annotated[
    str | None,
    strawberry.argument(
        description=f"A part of the title, in any case, at most {MAX_SEARCH_CHARS} characters; blank finds all."
    ),
]


@strawberry.type
class ConversationQueries:
    """Reads."""

    @strawberry.field(
        description="One of your conversations; null when you have no such one.", permission_classes=[SignedIn]
    )
    async def conversation(self, info: Info, id: ConversationId) -> Conversation | None:
        """Look up by id."""
        return await Conversation.find(info, parse_id(id, "Conversation"))

    @strawberry.field(description="Your conversations, newest first.", permission_classes=[SignedIn])
    async def conversations(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        search: Search = None,
    ) -> Connection[Conversation]:
        """Page through them."""
        actor, service = info.context.actor, info.context.services.conversations
        page = await service.list_own(actor, page_request(first, after, last, before), search=search)
        return connection(page, Conversation.of, count=lambda: service.count_own(actor, search=search))

    @strawberry.field(
        description="A message of your conversations; null when you have no such one.", permission_classes=[SignedIn]
    )
    async def message(self, info: Info, id: MessageId) -> Message | None:
        """Look up by id."""
        return await Message.find(info, parse_id(id, "Message"))
