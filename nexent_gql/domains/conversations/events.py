"""Events of conversations, for other tabs. Bodies hold ids; readers load the current state."""

from collections.abc import Sequence

from nexent_gql.domains.conversations.tables import ConversationEvent
from nexent_gql.kernel.json import JsonObject
from nexent_gql.ports.events import Entry

MESSAGE_ADDED = "MessageAdded"
MESSAGE_UPDATED = "MessageUpdated"
ACTIVE_BRANCH_CHANGED = "ActiveBranchChanged"
TITLE_CHANGED = "TitleChanged"
CONVERSATION_UPDATED = "ConversationUpdated"
RUN_STATE_CHANGED = "RunStateChanged"
CONVERSATION_DELETED = "ConversationDeleted"


def entries(rows: Sequence[ConversationEvent]) -> list[Entry]:
    """Map rows to entries of the topic."""
    return [Entry(seq=row.seq, attempt=1, at_ms=int(row.at.timestamp() * 1000), body=row.body) for row in rows]


def deleted(seq: int, at_ms: int) -> Entry:
    """Return the last entry of a deleted conversation."""
    return Entry(seq=seq, attempt=1, at_ms=at_ms, body={"kind": CONVERSATION_DELETED})


def body(kind: str, **ids: str) -> JsonObject:
    """Return the body of an event."""
    return {"kind": kind, **ids}
