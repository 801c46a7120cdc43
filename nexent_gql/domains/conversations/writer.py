"""Writes messages and events of conversations within the transactions of runs."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from nexent_gql.domains.conversations import events
from nexent_gql.domains.conversations.repository import ConversationRepository
from nexent_gql.domains.conversations.tables import (
    Conversation,
    Message,
    MessageRole,
    MessageStatus,
    TitleSource,
    stored_parts,
)
from nexent_gql.kernel.json import JsonObject
from nexent_gql.ports.content import ContentPart, join_text

MAX_HISTORY_MESSAGES = 1_000
_LATER = timedelta(microseconds=1)


class ConversationWriter:
    """Writes to the conversations of one owner, within a transaction of the caller's."""

    def __init__(self, session: AsyncSession, tenant_id: UUID, owner_id: UUID) -> None:
        self._session = session
        self._tenant_id = tenant_id
        self._owner_id = owner_id
        self._repository = ConversationRepository(session, tenant_id, owner_id)
        self._events: list[JsonObject] = []

    async def lock(self, conversation_id: UUID) -> Conversation | None:
        """Lock a conversation until the transaction ends; all writers take this lock."""
        return await self._repository.get(conversation_id, lock=True)

    async def get(self, conversation_id: UUID) -> Conversation | None:
        """Return a conversation without locking it."""
        return await self._repository.get(conversation_id)

    async def hide(self, conversation_id: UUID, now: datetime) -> bool:
        """Hide a conversation that its owner deletes; False when it does not exist."""
        return await self._repository.hide(conversation_id, now)

    async def restore(self, conversation_id: UUID, oldest: datetime) -> bool:
        """Show a conversation that was deleted after `oldest`; False when there is no such conversation."""
        return await self._repository.restore(conversation_id, oldest)

    async def run_ids(self, conversation_id: UUID) -> list[UUID]:
        """Return the runs of a conversation."""
        return await self._repository.run_ids(conversation_id)

    def begin(self, *, agent_id: UUID, now: datetime) -> Conversation:
        """Insert a conversation; it needs no lock, because no other transaction sees it."""
        conversation = Conversation(
            tenant_id=self._tenant_id, owner_id=self._owner_id, agent_id=agent_id, created_at=now, updated_at=now
        )
        self._repository.add(conversation)
        return conversation

    async def message(self, message_id: UUID) -> Message | None:
        """Return a message."""
        return await self._repository.message(message_id)

    def add_question(
        self, conversation: Conversation, parent_id: UUID | None, content: tuple[ContentPart, ...], now: datetime
    ) -> Message:
        """Add a user message after `parent_id`, None for a new root; `record_events` writes it."""
        message = Message(
            tenant_id=self._tenant_id,
            conversation_id=conversation.id,
            parent_id=parent_id,
            role=MessageRole.USER,
            status=MessageStatus.COMPLETE,
            text=join_text(content),
            parts=stored_parts(content),
            created_at=now,
            updated_at=now,
        )
        self._add(message)
        self._repository.index(message)
        return message

    def open_answer(self, conversation: Conversation, question: Message, run_id: UUID, now: datetime) -> Message:
        """Add an empty answer and make its branch active; `record_events` writes it."""
        message = Message(
            tenant_id=self._tenant_id,
            conversation_id=conversation.id,
            parent_id=question.id,
            role=MessageRole.ASSISTANT,
            status=MessageStatus.STREAMING,
            run_id=run_id,
            created_at=now + _LATER,
            updated_at=now,
        )
        self._add(message)
        conversation.active_message_id = message.id
        self._events.append(events.body(events.ACTIVE_BRANCH_CHANGED, message_id=str(message.id)))
        return message

    async def close_answer(
        self,
        message_id: UUID,
        content: tuple[ContentPart, ...],
        status: MessageStatus,
        now: datetime,
    ) -> None:
        """Set the final content and status of an answer; `record_events` writes the event."""
        if await self._repository.close_message(message_id, content, status, now):
            self._events.append(events.body(events.MESSAGE_UPDATED, message_id=str(message_id)))

    async def set_model_title(self, conversation: Conversation, title: str, now: datetime) -> None:
        """Set a title that a model wrote, unless the conversation has one."""
        if conversation.title_source == TitleSource.NONE:
            conversation.title, conversation.title_source = title, TitleSource.MODEL
            await self.record_events(conversation, now, events.body(events.TITLE_CHANGED))

    async def history(self, message_id: UUID) -> list[Message]:
        """Return the messages that lead to `message_id`, it included, oldest first."""
        return await self._repository.branch(message_id, MAX_HISTORY_MESSAGES)

    async def record_events(
        self, conversation: Conversation, now: datetime, *bodies: JsonObject, is_activity: bool = True
    ) -> None:
        """Write added messages, append the events of the locked conversation, and notify readers after the commit.

        Args:
            conversation: The conversation.
            now: The time of the events.
            bodies: Further events.
            is_activity: Whether the conversation moves to the top of lists.
        """
        await self._repository.record_events(conversation, now, [*self._events, *bodies], is_activity=is_activity)
        self._events.clear()

    async def append_events(self, conversation_id: UUID, now: datetime, *bodies: JsonObject) -> bool:
        """Append events to a conversation that was not loaded; False when it does not exist."""
        return await self._repository.append_events(conversation_id, now, bodies) is not None

    def _add(self, message: Message) -> None:
        self._repository.add(message)
        self._events.append(events.body(events.MESSAGE_ADDED, message_id=str(message.id)))
