"""The enums of conversations and messages in the schema."""

from enum import StrEnum
from typing import Self

import strawberry

from nexent_gql.api.schema.enums import described
from nexent_gql.domains.conversations.tables import MessageRole, MessageStatus, Rating, TitleSource
from nexent_gql.domains.runs.export import ExportFormat
from nexent_gql.kernel.search import Highlight
from nexent_gql.ports.content import AttachmentMode, NoticeCode

__all__ = [
    "ConversationOrderField",
    "ExportFormat",
    "MessageRole",
    "MessageStatus",
    "OrderDirection",
    "Rating",
    "TextRange",
    "TitleSource",
]


@strawberry.type(description="A range of a text. Positions count Unicode code points, not UTF-16 code units.")
class TextRange:
    start: int = strawberry.field(description="Position of the first character, from 0.")
    end: int = strawberry.field(description="Position after the last character.")

    @classmethod
    def of(cls, highlight: Highlight) -> Self:
        return cls(start=highlight.start, end=highlight.end)


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
    ExportFormat,
    "Format of an export.",
    {
        ExportFormat.MARKDOWN: "The active branch as text.",
        ExportFormat.JSON: "All branches, with ratings, runs and all parts of messages, as one object with the list "
        "`messages`. `parentId` links them to a tree.",
    },
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
        AttachmentMode.FULL: "The whole text. All attached texts together take at most half of the model's "
        "context; what exceeds it is cut, with a notice `TRUNCATED`.",
        AttachmentMode.RETRIEVE: "The passages that match the message. The model can read the rest with the tool "
        "`read_file`, if it can call tools.",
        AttachmentMode.AUTO: "The whole text if it takes at most a quarter of the model's context, else matching "
        "passages.",
    },
)
described(
    NoticeCode,
    "What a notice is about.",
    {
        NoticeCode.EMPTY_DOCUMENT: "The file has no text.",
        NoticeCode.NEEDS_OCR: "The file has pictures of text only.",
        NoticeCode.ENCRYPTED: "The file can only be opened with a password.",
        NoticeCode.CORRUPT: "The file is damaged, incomplete, or of another type than its name.",
        NoticeCode.UNSUPPORTED_TYPE: "Files of this type cannot be read.",
        NoticeCode.TOO_LARGE: "The file or its text is too large.",
        NoticeCode.LIMIT_EXCEEDED: "Reading the file takes more time or memory than allowed.",
        NoticeCode.PROCESSING_FAILED: "The file could not be read for a reason that has no code.",
        NoticeCode.FILE_MISSING: "The file was deleted.",
        NoticeCode.NOT_READY: "The text of the file was not ready in time. The answer was written without it; a later "
        "message has it.",
        NoticeCode.TRUNCATED: "The model received only the beginning of the file.",
        NoticeCode.NO_ROOM: "Other attachments left no room for the file.",
        NoticeCode.IMAGE_UNSEEN: "The model did not receive an image: it cannot see, or the images are too large "
        "together.",
    },
)
