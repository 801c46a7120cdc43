"""Reading conversations and messages."""

from typing import Annotated

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.conversations.inputs import ConversationOrder
from nexent_gql.api.conversations.types import Conversation, Message
from nexent_gql.api.conversations.values import ConversationOrderField, OrderDirection
from nexent_gql.api.schema.permissions import SignedIn
from nexent_gql.api.schema.relay import After, Before, Connection, First, Last, connection, page_request, parse_id
from nexent_gql.kernel.page import BY_ACTIVITY, BY_CREATION
from nexent_gql.kernel.text import MAX_SEARCH_CHARS

ConversationId = Annotated[strawberry.ID, strawberry.argument(description="The id of a Conversation.")]
MessageId = Annotated[strawberry.ID, strawberry.argument(description="The id of a Message.")]
Search = Annotated[
    str | None,
    strawberry.argument(
        description=f"A part of the title, at most {MAX_SEARCH_CHARS} characters; blank finds all. Case, width and "
        "composition of characters make no difference. `searchMessages` searches what was said."
    ),
]
Order = Annotated[
    ConversationOrder | None,
    strawberry.argument(
        description="Order of the list. Defaults to `CREATED_AT`, newest first. Cursors of one field are refused "
        "by a list that is ordered by another."
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

    @strawberry.field(
        description="Your conversations, newest first unless `orderBy` says otherwise.", permission_classes=[SignedIn]
    )
    async def conversations(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        search: Search = None,
        order_by: Order = None,
    ) -> Connection[Conversation]:
        """Page through them."""
        actor, service = info.context.actor, info.context.services.conversations
        order = order_by or ConversationOrder()
        kind = BY_ACTIVITY if order.field is ConversationOrderField.UPDATED_AT else BY_CREATION
        request = page_request(first, after, last, before, kind)
        ascending = order.direction is OrderDirection.ASC
        page = await service.list_own(actor, request, search=search, ascending=ascending)
        return connection(page, Conversation.of, count=lambda: service.count_own(actor, search=search))

    @strawberry.field(
        description="A message of your conversations; null when you have no such one.", permission_classes=[SignedIn]
    )
    async def message(self, info: Info, id: MessageId) -> Message | None:
        """Look up by id."""
        return await Message.find(info, parse_id(id, "Message"))
