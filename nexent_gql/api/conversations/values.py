"""The enums of conversations and messages in the schema."""

from enum import StrEnum

from nexent_gql.api.schema.enums import described
from nexent_gql.domains.conversations.tables import MessageRole, MessageStatus, Rating, TitleSource
from nexent_gql.ports.content import AttachmentMode

__all__ = ["ConversationOrderField", "MessageRole", "MessageStatus", "OrderDirection", "Rating", "TitleSource"]


class ConversationOrderField(StrEnum):
    CREATED_AT = "CREATED_AT"
    UPDATED_AT = "UPDATED_AT"


class OrderDirection(StrEnum):
    ASC = "ASC"
    DESC = "DESC"


described(
    ConversationOrderField,
    "Field by which conversations are ordered.",
    {
        ConversationOrderField.CREATED_AT: "Time of creation, which never changes.",
        ConversationOrderField.UPDATED_AT: "Time of the last change. A conversation that changes while you "
        "page moves to the newest end. No page repeats it; reload the first page to see it.",
    },
)
described(
    OrderDirection,
    "Direction of an order.",
    {OrderDirection.ASC: "Oldest first.", OrderDirection.DESC: "Newest first."},
)

described(
    TitleSource,
    "Source of a title.",
    {
        TitleSource.NONE: "There is no title yet. A model writes one after the first answer.",
        TitleSource.MODEL: "Written by a model after the first answer. If the model fails or takes longer than 30 "
        "seconds, the title is the beginning of the first message.",
        TitleSource.USER: "Written by a user. No model replaces it.",
    },
)
described(
    MessageRole,
    "Author of a message.",
    {MessageRole.USER: "The user.", MessageRole.ASSISTANT: "The agent."},
)
described(
    MessageStatus,
    "Status of a message.",
    {
        MessageStatus.STREAMING: "The run is in progress. `text` is empty until it has finished; `runEvents` "
        "streams it.",
        MessageStatus.COMPLETE: "The message is complete. Messages of users always are.",
        MessageStatus.FAILED: "The run failed. `text` has what was produced until then.",
        MessageStatus.STOPPED: "The run was stopped. `text` has what was produced until then.",
    },
)
described(
    Rating,
    "Rating of an answer.",
    {Rating.GOOD: "The answer was helpful.", Rating.BAD: "The answer was not helpful."},
)
described(
    AttachmentMode,
    "How much of an attached document the model receives. Images are always sent whole, to models that accept images.",
    {
        AttachmentMode.FULL: "The whole text, as far as the model's context allows.",
        AttachmentMode.RETRIEVE: "The passages that match the message.",
        AttachmentMode.AUTO: "The whole text if it is short, else matching passages.",
    },
)
