"""Mutations of conversations."""

from datetime import datetime

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.conversations.inputs import (
    CreateConversationInput,
    DeleteConversationInput,
    RateMessageInput,
    RenameConversationInput,
    RestoreConversationInput,
    SelectBranchInput,
    UpdateConversationInput,
)
from nexent_gql.api.conversations.messages import Message
from nexent_gql.api.conversations.types import Conversation
from nexent_gql.api.schema.errors import NotFoundError, ValidationError
from nexent_gql.api.schema.mutations import mutation
from nexent_gql.api.schema.relay import node_id

_ERRORS = (NotFoundError, ValidationError)


@strawberry.type(description="Result of `deleteConversation`.")
class DeleteConversationPayload:
    deleted_id: strawberry.ID = strawberry.field(description="ID of the deleted conversation.")
    restorable_until: datetime | None = strawberry.field(
        description="Until when the conversation can be restored; null if it was deleted permanently."
    )


@strawberry.type
class ConversationMutations:
    @mutation(
        "Creates an empty conversation. To create one with its first message, call `sendMessage` with `agentId`.",
        payload={"conversation": "The new conversation, without messages."},
        errors=_ERRORS,
    )
    async def create_conversation(self, info: Info, input: CreateConversationInput) -> Conversation:
        agent_id = node_id(input.agent_id, "Agent", "agentId")
        service = info.context.services.conversations
        return Conversation.of(await service.create(info.context.actor, agent_id=agent_id, title=input.title))

    @mutation(
        "Sets the title of a conversation.",
        payload={"conversation": "The conversation after the change."},
        errors=_ERRORS,
    )
    async def rename_conversation(self, info: Info, input: RenameConversationInput) -> Conversation:
        key = node_id(input.conversation_id, "Conversation", "conversationId")
        return Conversation.of(await info.context.services.conversations.rename(info.context.actor, key, input.title))

    @mutation(
        "Pins or archives a conversation, or reverses that. Without a change, the call has no effect.",
        payload={"conversation": "The conversation after the change."},
        errors=_ERRORS,
    )
    async def update_conversation(self, info: Info, input: UpdateConversationInput) -> Conversation:
        key = node_id(input.conversation_id, "Conversation", "conversationId")
        service = info.context.services.conversations
        return Conversation.of(await service.update(info.context.actor, key, input.patch()))

    @mutation(
        "Deletes a conversation with its messages, runs and events, which disappear at once for all readers. Stops "
        "runs in progress and discards their partial answers. Until `restorableUntil`, `restoreConversation` brings "
        "the conversation back; then its content is deleted from the database.",
        errors=_ERRORS,
    )
    async def delete_conversation(self, info: Info, input: DeleteConversationInput) -> DeleteConversationPayload:
        key = node_id(input.conversation_id, "Conversation", "conversationId")
        actor, services = info.context.actor, info.context.services
        if input.is_permanent:
            await services.conversations.delete(actor, key)
            return DeleteConversationPayload(deleted_id=input.conversation_id, restorable_until=None)
        restorable_until = await services.conversation_trash.delete(actor, key)
        return DeleteConversationPayload(deleted_id=input.conversation_id, restorable_until=restorable_until)

    @mutation(
        "Restores a deleted conversation with its messages and finished runs. A conversation that is not deleted is "
        "returned unchanged.",
        payload={"conversation": "The conversation. Subscribe again to its events with its `eventsCursor`."},
        errors=_ERRORS,
    )
    async def restore_conversation(self, info: Info, input: RestoreConversationInput) -> Conversation:
        key = node_id(input.conversation_id, "Conversation", "conversationId")
        return Conversation.of(await info.context.services.conversation_trash.restore(info.context.actor, key))

    @mutation(
        "Makes another branch of a conversation the active one, on all devices.",
        payload={"conversation": "The conversation with its new `activeBranch`."},
        errors=_ERRORS,
    )
    async def select_branch(self, info: Info, input: SelectBranchInput) -> Conversation:
        key = node_id(input.message_id, "Message", "messageId")
        return Conversation.of(await info.context.services.conversations.select_branch(info.context.actor, key))

    @mutation(
        "Rates an answer, or removes the rating. Users with the DEVELOPER role can read rating and comment, but not "
        "who rated, nor the messages.",
        payload={"rated_message": "The answer after the change."},
        errors=_ERRORS,
    )
    async def rate_message(self, info: Info, input: RateMessageInput) -> Message:
        key = node_id(input.message_id, "Message", "messageId")
        service = info.context.services.conversations
        return Message.of(await service.rate(info.context.actor, key, input.rating, input.comment))
