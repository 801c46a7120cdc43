"""The types of conversations, messages and runs for modules that one of these types imports."""

from typing import TYPE_CHECKING, Annotated

import strawberry

if TYPE_CHECKING:
    from nexent_gql.api.conversations.messages import Message
    from nexent_gql.api.conversations.types import Conversation
    from nexent_gql.api.runs.types import Run

LazyConversation = Annotated["Conversation", strawberry.lazy("nexent_gql.api.conversations.types")]
LazyMessage = Annotated["Message", strawberry.lazy("nexent_gql.api.conversations.messages")]
LazyRun = Annotated["Run", strawberry.lazy("nexent_gql.api.runs.types")]
