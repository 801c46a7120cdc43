"""The subscription to the events of a knowledge base."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.knowledge.events import DocumentEvent, document_event
from nexent_gql.api.knowledge.queries import BaseId
from nexent_gql.api.schema.permissions import SignedIn
from nexent_gql.api.schema.relay import node_id

AfterEvent = Annotated[
    str | None,
    strawberry.argument(
        description="Cursor of the last event you received, or `eventsCursor` of the knowledge base. Null returns "
        "only events from now on. The header `Last-Event-ID` of server-sent events takes precedence."
    ),
]


@strawberry.type
class KnowledgeSubscriptions:
    @strawberry.subscription(
        description="Streams what happens to the documents of a knowledge base that you can read: each event once and "
        "in order, until the base is deleted or no longer shared with you. To resume after a disconnect, pass the "
        "cursor of the last event.",
        permission_classes=[SignedIn],
    )
    async def document_events(
        self, info: Info, knowledge_base_id: BaseId, after: AfterEvent = None
    ) -> AsyncIterator[DocumentEvent]:
        """Check first, so that a refusal is an error of the operation, not of an event."""
        key = node_id(knowledge_base_id, "KnowledgeBase", "knowledgeBaseId")
        context = info.context
        entries = await context.services.document_events.follow(context.actor, key, after=context.resume(after))
        return entries.map(partial(document_event, key))
