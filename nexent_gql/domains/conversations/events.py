"""What a second tab needs to know; bodies hold ids, readers load the present state."""

from collections.abc import Sequence
from uuid import UUID

from nexent_gql.domains.conversations.tables import ConversationEvent
from nexent_gql.kernel.json import JsonObject
from nexent_gql.ports.events import Entry

MESSAGE_ADDED = "MessageAdded"
MESSAGE_UPDATED = "MessageUpdated"
ACTIVE_BRANCH_CHANGED = "ActiveBranchChanged"
TITLE_CHANGED = "TitleChanged"
RUN_STATE_CHANGED = "RunStateChanged"
CONVERSATION_DELETED = "ConversationDeleted"


def topic(tenant_id: UUID, conversation_id: UUID) -> str:
    """Name the topic that readers of a conversation listen to."""
    return f"{tenant_id}/conversation/{conversation_id}"


def run_topic(tenant_id: UUID, run_id: UUID) -> str:
    """Name the topic of the events of a run: its readers have to hear of a deletion too."""
    return f"{tenant_id}/run/{run_id}"


def lane(conversation_id: UUID) -> str:
    """Name the lane of a conversation's runs: one at a time."""
    return f"conversation:{conversation_id}"


def entries(rows: Sequence[ConversationEvent]) -> list[Entry]:
    """Map rows to entries of the topic."""
    return [Entry(seq=row.seq, attempt=1, at_ms=int(row.at.timestamp() * 1000), body=row.body) for row in rows]


def deleted(seq: int, at_ms: int) -> Entry:
    """Make the last entry of a conversation that is gone."""
    return Entry(seq=seq, attempt=1, at_ms=at_ms, body={"kind": CONVERSATION_DELETED})


def body(kind: str, **ids: str) -> JsonObject:
    """Make a body."""
    return {"kind": kind, **ids}
