"""Names of event topics."""

from uuid import UUID


def knowledge_topic(tenant_id: UUID, knowledge_base_id: UUID) -> str:
    """Return the topic of a base's events."""
    return f"{tenant_id}/knowledge/{knowledge_base_id}"
