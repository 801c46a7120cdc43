"""What mutations of conversations take."""

import strawberry

from nexent_gql.api.conversations.values import ConversationOrderField, OrderDirection, Rating
from nexent_gql.domains.conversations.service import MAX_COMMENT_CHARS, MAX_TITLE_CHARS

_TITLE = f"One line, 1 to {MAX_TITLE_CHARS} characters after trimming"


@strawberry.input(description="The order of a list of conversations.")
class ConversationOrder:
    """See `ConversationService.list_own`."""

    field: ConversationOrderField = strawberry.field(
        default=ConversationOrderField.CREATED_AT, description="By what to order; conversations of one time, by id."
    )
    direction: OrderDirection = strawberry.field(
        default=OrderDirection.DESC, description="Which end comes first; the latest by default."
    )


@strawberry.input(description="A conversation to begin.")
class CreateConversationInput:
    """See `ConversationService.create`."""

    agent_id: strawberry.ID = strawberry.field(description="The Agent that will answer.")
    title: str | None = strawberry.field(
        default=None, description=f"{_TITLE}; without one, a model writes it after the first answer."
    )


@strawberry.input(description="A title for a conversation.")
class RenameConversationInput:
    """See `ConversationService.rename`."""

    conversation_id: strawberry.ID = strawberry.field(description="One of your conversations.")
    title: str = strawberry.field(description=f"{_TITLE}. No model replaces it.")


@strawberry.input(description="A conversation to delete.")
class DeleteConversationInput:
    """See `ConversationService.delete`."""

    conversation_id: strawberry.ID = strawberry.field(description="One of your conversations.")


@strawberry.input(description="A branch to show.")
class SelectBranchInput:
    """See `ConversationService.select_branch`."""

    message_id: strawberry.ID = strawberry.field(
        description="Any message of the branch; below it, the newest reply is followed to the end."
    )


@strawberry.input(description="What you think of an answer.")
class RateMessageInput:
    """See `ConversationService.rate`."""

    message_id: strawberry.ID = strawberry.field(description="An answer in one of your conversations.")
    rating: Rating | None = strawberry.field(
        default=None, description="Replaces what you said before; null takes rating and comment back."
    )
    comment: str | None = strawberry.field(
        default=None,
        description=f"At most {MAX_COMMENT_CHARS:,} characters, and only with a rating; replaces what you said before.",
    )
