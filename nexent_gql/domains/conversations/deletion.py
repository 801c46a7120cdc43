"""Hides deleted conversations of one owner, shows restored ones, and purges rows."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_HIDE = text("""
    WITH hidden AS (
        UPDATE conversation SET deleted_at = :now
         WHERE tenant_id = :tenant AND owner_id = :owner AND id = :conversation RETURNING id
    )
    UPDATE message_search SET is_hidden = true WHERE tenant_id = :tenant AND owner_id = :owner AND message_id IN (
           SELECT message.id FROM message JOIN hidden ON hidden.id = conversation_id WHERE tenant_id = :tenant)
""")
_RESTORE = text("""
    WITH restored AS (
        UPDATE conversation SET deleted_at = NULL
         WHERE tenant_id = :tenant AND owner_id = :owner AND id = :conversation AND deleted_at > :oldest RETURNING id
    ), indexed AS (
        UPDATE message_search SET is_hidden = false WHERE tenant_id = :tenant AND owner_id = :owner AND message_id IN (
               SELECT message.id FROM message JOIN restored ON restored.id = conversation_id WHERE tenant_id = :tenant)
    )
    SELECT id FROM restored
""")
_PURGE = text("DELETE FROM conversation WHERE tenant_id = :tenant AND id = :conversation AND deleted_at = :deleted_at")


class ConversationDeletion:
    """Hides and restores the conversations of one owner, within a transaction of the caller's."""

    def __init__(self, session: AsyncSession, tenant_id: UUID, owner_id: UUID) -> None:
        self._session = session
        self._owner = {"tenant": tenant_id, "owner": owner_id}

    async def hide(self, conversation_id: UUID, now: datetime) -> None:
        """Hide a conversation from lists, from lookups and from the message search."""
        await self._session.execute(_HIDE, {**self._owner, "conversation": conversation_id, "now": now})

    async def restore(self, conversation_id: UUID, oldest: datetime) -> bool:
        """Show a conversation that was deleted after `oldest`; False when there is no such conversation."""
        values = {**self._owner, "conversation": conversation_id, "oldest": oldest}
        return (await self._session.execute(_RESTORE, values)).first() is not None


async def purge_conversation(session: AsyncSession, tenant_id: UUID, conversation_id: UUID, at: datetime) -> None:
    """Delete the rows of a conversation that was deleted at `at`, with its messages, runs and events."""
    await session.execute(_PURGE, {"tenant": tenant_id, "conversation": conversation_id, "deleted_at": at})
