"""The subscription to the events of a conversation."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.conversations.events import ConversationEvent, conversation_event
from nexent_gql.api.conversations.queries import ConversationId
from nexent_gql.api.schema.permissions import SignedIn
from nexent_gql.api.schema.relay import node_id

AfterEvent = Annotated[
    str | None,
    strawberry.argument(
        description="Cursor of the last event you received, or `eventsCursor` of the conversation. Null returns "
        "only events from now on. The header `Last-Event-ID` of server-sent events takes precedence."
    ),
]


@strawberry.type
class ConversationSubscriptions:
    @strawberry.subscription(
        description="Streams the events of one of your conversations, each once and in order, until it is "
        "deleted. To resume after a disconnect, pass the cursor of the last event.",
        permission_classes=[SignedIn],
    )
    async def conversation_events(
        self, info: Info, conversation_id: ConversationId, after: AfterEvent = None
    ) -> AsyncIterator[ConversationEvent]:
        """Check first, so that a refusal is an error of the operation, not of an event."""
        key = node_id(conversation_id, "Conversation", "conversationId")
        context = info.context
        entries = await context.services.conversations.follow(context.actor, key, after=context.resume(after))
        return entries.map(partial(conversation_event, key))
