"""EventStream conversations."""

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
        description="The cursor of the last event you have, or a conversation's `eventsCursor`; without one, what "
        "happens from now on. Over server-sent events the header `Last-Event-ID` goes before it."
    ),
]


@strawberry.type
class ConversationSubscriptions:
    """What can be followed."""

    @strawberry.subscription(
        description="What happens to one of your conversations, on any device, each event once and in order, until it "
        "is deleted. Reconnect with the last cursor you saw.",
        permission_classes=[SignedIn],
    )
    async def conversation_events(
        self, info: Info, conversation_id: ConversationId, after: AfterEvent = None
    ) -> AsyncIterator[ConversationEvent]:
        """Check first, so that a refusal is an error of the operation, not of an event."""
        key = node_id(conversation_id, "Conversation", "conversationId")
        context = info.context
        entries = await context.services.runs.follow_conversation(context.actor, key, after=context.resume(after))
        return entries.map(partial(conversation_event, key))
