"""Changing conversations."""

from typing import Annotated

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.conversations.inputs import (
    CreateConversationInput,
    DeleteConversationInput,
    RateMessageInput,
    RenameConversationInput,
    SelectBranchInput,
)
from nexent_gql.api.conversations.types import Conversation, Message
from nexent_gql.api.schema.errors import NotFoundError, ValidationError
from nexent_gql.api.schema.permissions import SignedIn
from nexent_gql.api.schema.relay import node_id


@strawberry.type(description="A conversation has begun.")
class CreateConversationPayload:
    """The result of `createConversation`."""

    conversation: Conversation = strawberry.field(description="It, without messages.")


@strawberry.type(description="A conversation has a new title.")
class RenameConversationPayload:
    """The result of `renameConversation`."""

    conversation: Conversation = strawberry.field(description="It, as it is now.")


@strawberry.type(description="A conversation is gone, with its messages and runs.")
class DeleteConversationPayload:
    """The result of `deleteConversation`."""

    deleted_id: strawberry.ID = strawberry.field(description="The id that it had.")


@strawberry.type(description="A branch is shown.")
class SelectBranchPayload:
    """The result of `selectBranch`."""

    conversation: Conversation = strawberry.field(description="It, with its `activeBranch`.")


@strawberry.type(description="A rating is kept or taken back.")
class RateMessagePayload:
    """The result of `rateMessage`."""

    rated_message: Message = strawberry.field(description="The answer, as it is now.")


CreateConversationResult = Annotated[
    CreateConversationPayload | NotFoundError | ValidationError,
    strawberry.union("CreateConversationResult", description="A conversation, or why there is none."),
]
RenameConversationResult = Annotated[
    RenameConversationPayload | NotFoundError | ValidationError,
    strawberry.union("RenameConversationResult", description="The conversation, or why it keeps its title."),
]
DeleteConversationResult = Annotated[
    DeleteConversationPayload | NotFoundError | ValidationError,
    strawberry.union("DeleteConversationResult", description="What was deleted, or why nothing was."),
]
SelectBranchResult = Annotated[
    SelectBranchPayload | NotFoundError | ValidationError,
    strawberry.union("SelectBranchResult", description="The conversation, or why it shows what it did."),
]
RateMessageResult = Annotated[
    RateMessagePayload | NotFoundError | ValidationError,
    strawberry.union("RateMessageResult", description="The message, or why its rating did not change."),
]


@strawberry.type
class ConversationMutations:
    """Writes."""

    @strawberry.mutation(
        description="Begin an empty conversation; `sendMessage` with an `agentId` begins one with a message.",
        permission_classes=[SignedIn],
    )
    async def create_conversation(self, info: Info, input: CreateConversationInput) -> CreateConversationResult:
        """Begin it."""
        agent_id = node_id(input.agent_id, "Agent", "agentId")
        service = info.context.services.conversations
        row = await service.create(info.context.actor, agent_id=agent_id, title=input.title)
        return CreateConversationPayload(conversation=Conversation.of(row))

    @strawberry.mutation(description="Give a conversation a title.", permission_classes=[SignedIn])
    async def rename_conversation(self, info: Info, input: RenameConversationInput) -> RenameConversationResult:
        """Rename it."""
        key = node_id(input.conversation_id, "Conversation", "conversationId")
        row = await info.context.services.conversations.rename(info.context.actor, key, input.title)
        return RenameConversationPayload(conversation=Conversation.of(row))

    @strawberry.mutation(
        description="Deletes a conversation, its messages, runs and events for good, also from Redis. Runs in progress "
        "are stopped.",
        permission_classes=[SignedIn],
    )
    async def delete_conversation(self, info: Info, input: DeleteConversationInput) -> DeleteConversationResult:
        """Delete it."""
        key = node_id(input.conversation_id, "Conversation", "conversationId")
        await info.context.services.conversations.delete(info.context.actor, key)
        return DeleteConversationPayload(deleted_id=input.conversation_id)

    @strawberry.mutation(
        description="Show another branch of a conversation, on all devices.", permission_classes=[SignedIn]
    )
    async def select_branch(self, info: Info, input: SelectBranchInput) -> SelectBranchResult:
        """Move the active branch."""
        key = node_id(input.message_id, "Message", "messageId")
        row = await info.context.services.conversations.select_branch(info.context.actor, key)
        return SelectBranchPayload(conversation=Conversation.of(row))

    @strawberry.mutation(description="Say what you think of an answer, or take it back.", permission_classes=[SignedIn])
    async def rate_message(self, info: Info, input: RateMessageInput) -> RateMessageResult:
        """Keep the rating."""
        key = node_id(input.message_id, "Message", "messageId")
        service = info.context.services.conversations
        row = await service.rate(info.context.actor, key, input.rating, input.comment)
        return RateMessagePayload(rated_message=Message.of(row))
