"""Errors of the domain."""

from uuid import UUID

from nexent_gql.kernel.errors import InvalidInputError, NotFoundError


class ConversationNotFoundError(NotFoundError):
    """The caller owns no such conversation."""

    object_type = "Conversation"

    def __init__(self, conversation_id: UUID) -> None:
        super().__init__("You have no such conversation; it may have been deleted.", id=str(conversation_id))


class MessageNotFoundError(NotFoundError):
    """The caller owns no such message."""

    object_type = "Message"

    def __init__(self, message_id: UUID) -> None:
        super().__init__("You have no such message; it may have been deleted.", id=str(message_id))


class WrongMessageError(InvalidInputError):
    """The message exists, but can't be used this way."""

    code = "WRONG_MESSAGE"
