"""Queries of conversations and messages."""

from typing import Annotated

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.conversations.inputs import ConversationFilter, ConversationOrder
from nexent_gql.api.conversations.messages import Message, message_by_id
from nexent_gql.api.conversations.types import Conversation, conversation_by_id
from nexent_gql.api.conversations.values import ConversationOrderField, OrderDirection
from nexent_gql.api.schema.connections import PageArguments, connection_field
from nexent_gql.api.schema.permissions import SignedIn
from nexent_gql.api.schema.relay import Connection, connection, find_node
from nexent_gql.kernel.page import BY_ACTIVITY, BY_CREATION
from nexent_gql.kernel.text import MAX_SEARCH_CHARS

ConversationId = Annotated[strawberry.ID, strawberry.argument(description="ID of the Conversation.")]
MessageId = Annotated[strawberry.ID, strawberry.argument(description="ID of the Message.")]
Search = Annotated[
    str | None,
    strawberry.argument(
        description=f"Returns only conversations whose title contains this text, at most {MAX_SEARCH_CHARS} "
        "characters. Ignores case, width and composition of characters. Null or blank returns all. To "
        "search messages, use `searchMessages`."
    ),
]
Filter = Annotated[
    ConversationFilter | None,
    strawberry.argument(description="Which conversations to list. Default those that are not archived, also for null."),
]
Order = Annotated[
    ConversationOrder | None,
    strawberry.argument(
        description="Order of the list. Default CREATED_AT, newest first, also for null. A cursor is valid only "
        "for the field it was created with."
    ),
]


@strawberry.type
class ConversationQueries:
    @strawberry.field(
        description="Returns one of your conversations; null if it does not exist or is not yours.",
        permission_classes=[SignedIn],
    )
    async def conversation(self, info: Info, id: ConversationId) -> Conversation | None:
        return await find_node(info, conversation_by_id, id, "Conversation")

    @connection_field(
        description="Lists your conversations, newest first by default. Archived ones are listed on request only.",
        permission_classes=[SignedIn],
    )
    async def conversations(
        self,
        info: Info,
        page: PageArguments,
        search: Search = None,
        order_by: Order = None,
        filter: Filter = None,  # noqa: A002 - an argument of the schema
    ) -> Connection[Conversation]:
        actor, service = info.context.actor, info.context.services.conversations
        order = order_by or ConversationOrder()
        kind = BY_ACTIVITY if order.field is ConversationOrderField.UPDATED_AT else BY_CREATION
        ascending = order.direction is OrderDirection.ASC
        filters = (filter or ConversationFilter()).to_filter(search)
        rows = await service.list_own(actor, page.request(kind), filters, ascending=ascending)
        return connection(rows, Conversation.of, count=lambda: service.count_own(actor, filters))

    @strawberry.field(
        description="Returns a message of your conversations; null if it does not exist or is not yours.",
        permission_classes=[SignedIn],
    )
    async def message(self, info: Info, id: MessageId) -> Message | None:
        return await find_node(info, message_by_id, id, "Message")
