"""Deletes the rows of conversations that their owner has deleted and not restored."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_PURGE = text("DELETE FROM conversation WHERE tenant_id = :tenant AND id = :conversation AND deleted_at = :deleted_at")


async def purge_conversation(session: AsyncSession, tenant_id: UUID, conversation_id: UUID, at: datetime) -> None:
    """Delete a conversation that was deleted at `at`, with its messages, runs and events."""
    await session.execute(_PURGE, {"tenant": tenant_id, "conversation": conversation_id, "deleted_at": at})
