"""What mutations of conversations take."""

import strawberry

from nexent_gql.api.conversations.values import ConversationOrderField, OrderDirection, Rating
from nexent_gql.api.schema.relay import node_id
from nexent_gql.domains.conversations import filters
from nexent_gql.domains.conversations.filters import ConversationPatch
from nexent_gql.domains.conversations.service import MAX_COMMENT_CHARS, MAX_TITLE_CHARS
from nexent_gql.kernel.patch import UNSET

_TITLE = f"One line of 1 to {MAX_TITLE_CHARS} characters after trimming."


@strawberry.input(description="Order of a list of conversations.")
class ConversationOrder:
    field: ConversationOrderField = strawberry.field(
        default=ConversationOrderField.CREATED_AT,
        description="Field to order by. Ties are ordered by ID. Default CREATED_AT.",
    )
    direction: OrderDirection = strawberry.field(
        default=OrderDirection.DESC, description="Direction of the order. Default DESC, newest first."
    )


@strawberry.input(description="Which conversations to list.")
class ConversationFilter:
    is_archived: bool = strawberry.field(
        default=False, description="Whether to list archived conversations instead of the others. Default false."
    )
    is_pinned: bool | None = strawberry.field(
        default=None,
        description="Lists only pinned conversations if true, only others if false. Null lists both. To show pinned "
        "conversations above the others, request both lists.",
    )
    agent_id: strawberry.ID | None = strawberry.field(
        default=None, description="ID of an Agent. Lists only its conversations; null lists those of all agents."
    )

    def to_filter(self, search: str | None) -> filters.ConversationFilter:
        """Return what the service takes."""
        agent_id = None if self.agent_id is None else node_id(self.agent_id, "Agent", "filter", "agentId")
        return filters.ConversationFilter(
            is_archived=self.is_archived, is_pinned=self.is_pinned, agent_id=agent_id, search=search
        )


@strawberry.input(description="Input of `createConversation`.")
class CreateConversationInput:
    agent_id: strawberry.ID = strawberry.field(description="ID of the Agent that answers.")
    title: str | None = strawberry.field(
        default=None,
        description=f"Title of the conversation. {_TITLE} Null lets a model write it after the first answer.",
    )


@strawberry.input(description="Input of `renameConversation`.")
class RenameConversationInput:
    conversation_id: strawberry.ID = strawberry.field(description="ID of one of your Conversations.")
    title: str = strawberry.field(description=f"New title, which no model replaces. {_TITLE}")


@strawberry.input(description="Input of `updateConversation`. Omitted fields keep their values.")
class UpdateConversationInput:
    conversation_id: strawberry.ID = strawberry.field(description="ID of one of your Conversations.")
    is_pinned: strawberry.Maybe[bool] = strawberry.field(description="Whether the conversation is pinned.")
    is_archived: strawberry.Maybe[bool] = strawberry.field(
        description="Whether the conversation is archived. It can be continued and stays archived."
    )

    def patch(self) -> ConversationPatch:
        return ConversationPatch(
            is_pinned=self.is_pinned.value if self.is_pinned else UNSET,
            is_archived=self.is_archived.value if self.is_archived else UNSET,
        )


@strawberry.input(description="Input of `deleteConversation`.")
class DeleteConversationInput:
    conversation_id: strawberry.ID = strawberry.field(description="ID of one of your Conversations.")
    is_permanent: bool = strawberry.field(
        default=False, description="Whether to delete it for good at once instead of after a while. Default false."
    )


@strawberry.input(description="Input of `restoreConversation`.")
class RestoreConversationInput:
    conversation_id: strawberry.ID = strawberry.field(description="ID of a Conversation that you deleted.")


@strawberry.input(description="Input of `selectBranch`.")
class SelectBranchInput:
    message_id: strawberry.ID = strawberry.field(
        description="ID of any Message of the branch. From this message, the branch follows the newest replies to "
        "the end."
    )


@strawberry.input(description="Input of `rateMessage`.")
class RateMessageInput:
    message_id: strawberry.ID = strawberry.field(
        description="ID of an answer, which is a Message with role ASSISTANT, in one of your conversations."
    )
    rating: Rating | None = strawberry.field(
        default=None, description="Your rating, which replaces an earlier one. Null removes rating and comment."
    )
    comment: str | None = strawberry.field(
        default=None,
        description=f"Comment on the rating, at most {MAX_COMMENT_CHARS:,} characters. Replaces an earlier "
        "comment; null removes it. Requires `rating`.",
    )
