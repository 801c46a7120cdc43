"""Names that a conversation shares with its runs, which it stops and erases when it is deleted."""

from uuid import UUID


def conversation_topic(tenant_id: UUID, conversation_id: UUID) -> str:
    """Return the topic of a conversation's events."""
    return f"{tenant_id}/conversation/{conversation_id}"


def run_topic(tenant_id: UUID, run_id: UUID) -> str:
    """Return the topic of a run's events."""
    return f"{tenant_id}/run/{run_id}"


def run_lane(conversation_id: UUID) -> str:
    """Return the lane of a conversation's runs, which execute one at a time."""
    return f"conversation:{conversation_id}"
