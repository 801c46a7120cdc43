"""The enums of conversations and messages in the schema."""

from nexent_gql.api.enums import described
from nexent_gql.domains.conversations.tables import MessageRole, MessageStatus, Rating, TitleSource

__all__ = ["MessageRole", "MessageStatus", "Rating", "TitleSource"]

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
