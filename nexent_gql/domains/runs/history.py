"""Maps messages to the turns that the engine reads."""

from nexent_gql.domains.conversations.tables import Message, MessageRole, MessageStatus
from nexent_gql.kernel.citation_marks import without_citations
from nexent_gql.ports.content import CitationPart, ContentPart, TextPart
from nexent_gql.ports.engine import Turn

_NOTES_FOR_EMPTY = {
    MessageStatus.STOPPED: "(No answer: it was stopped before the first word.)",
    MessageStatus.FAILED: "(No answer: it failed before the first word.)",
}


def turn_of(message: Message) -> Turn:
    """Return a message as a turn. An answer without text states why, so that the model does not answer it later."""
    if message.role == MessageRole.USER:
        return Turn("user", message.content)
    if any(isinstance(part, CitationPart) for part in message.content):
        return Turn("assistant", tuple(map(_without_citations, message.content)))
    note = _NOTES_FOR_EMPTY.get(MessageStatus(message.status))
    if note is not None and not message.text.strip():
        return Turn("assistant", (*message.content, TextPart(note)))
    return Turn("assistant", message.content)


def _without_citations(part: ContentPart) -> ContentPart:
    """Drop labels of an earlier run, which mean other passages in the next one."""
    return TextPart(without_citations(part.text)) if isinstance(part, TextPart) else part
