"""Mutations of conversations."""

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.conversations.inputs import (
    CreateConversationInput,
    DeleteConversationInput,
    RateMessageInput,
    RenameConversationInput,
    SelectBranchInput,
    UpdateConversationInput,
)
from nexent_gql.api.conversations.messages import Message
from nexent_gql.api.conversations.types import Conversation
from nexent_gql.api.schema.errors import NotFoundError, ValidationError
from nexent_gql.api.schema.mutations import mutation
from nexent_gql.api.schema.relay import node_id

_ERRORS = (NotFoundError, ValidationError)


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
        "Permanently deletes a conversation with its messages, runs and events. Stops runs in progress.",
        payload={"deleted_id": "ID of the deleted conversation."},
        errors=_ERRORS,
    )
    async def delete_conversation(self, info: Info, input: DeleteConversationInput) -> strawberry.ID:
        key = node_id(input.conversation_id, "Conversation", "conversationId")
        await info.context.services.conversations.delete(info.context.actor, key)
        return input.conversation_id

    @mutation(
        "Makes another branch of a conversation the active one, on all devices.",
        payload={"conversation": "The conversation with its new `activeBranch`."},
        errors=_ERRORS,
    )
    async def select_branch(self, info: Info, input: SelectBranchInput) -> Conversation:
        key = node_id(input.message_id, "Message", "messageId")
        return Conversation.of(await info.context.services.conversations.select_branch(info.context.actor, key))

    @mutation(
        "Rates an answer, or removes the rating.",
        payload={"rated_message": "The answer after the change."},
        errors=_ERRORS,
    )
    async def rate_message(self, info: Info, input: RateMessageInput) -> Message:
        key = node_id(input.message_id, "Message", "messageId")
        service = info.context.services.conversations
        return Message.of(await service.rate(info.context.actor, key, input.rating, input.comment))
