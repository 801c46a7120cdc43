"""The enums of conversations and messages in the schema."""

from enum import StrEnum

from nexent_gql.api.schema.enums import described
from nexent_gql.domains.conversations.tables import MessageRole, MessageStatus, Rating, TitleSource

__all__ = ["ConversationOrderField", "MessageRole", "MessageStatus", "OrderDirection", "Rating", "TitleSource"]


class ConversationOrderField(StrEnum):
    """By what conversations can be listed."""

    CREATED_AT = "CREATED_AT"
    UPDATED_AT = "UPDATED_AT"


class OrderDirection(StrEnum):
    """Which end of a list comes first."""

    ASC = "ASC"
    DESC = "DESC"


described(
    ConversationOrderField,
    "By what conversations are listed.",
    {
        ConversationOrderField.CREATED_AT: "When they began, which never changes.",
        ConversationOrderField.UPDATED_AT: "When something last happened in them. A conversation in which something "
        "happens while you page moves to the latest end: no page shows one twice, and one that moved away ahead of you "
        "is on the first page when you load it again.",
    },
)
described(
    OrderDirection,
    "Which end of a list comes first.",
    {OrderDirection.ASC: "The earliest.", OrderDirection.DESC: "The latest."},
)

described(
    TitleSource,
    "Where a title came from.",
    {
        TitleSource.NONE: "There is none yet; a model writes one after the first answer.",
        TitleSource.MODEL: "A model wrote it after the first answer; when the model fails, is cut off or takes longer "
        "than 30 seconds, it is the question's first words.",
        TitleSource.USER: "A person wrote it; no model replaces it.",
    },
)
described(
    MessageRole,
    "Who speaks.",
    {MessageRole.USER: "The person.", MessageRole.ASSISTANT: "The agent."},
)
described(
    MessageStatus,
    "How far a message is.",
    {
        MessageStatus.STREAMING: "Its run goes on; `runEvents` has the text so far, `text` is empty until the end.",
        MessageStatus.COMPLETE: "It is whole; what a person sends always is.",
        MessageStatus.FAILED: "Its run failed; `text` has what was said until then.",
        MessageStatus.STOPPED: "Its run was stopped; `text` has what was said until then.",
    },
)
described(
    Rating,
    "What a reader thinks of an answer.",
    {Rating.GOOD: "It helped.", Rating.BAD: "It did not help."},
)
