"""Deletes conversations, which their owner can restore until they are purged."""

from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID

from nexent_gql.db.session import Database
from nexent_gql.domains.conversations import events as conversation_events
from nexent_gql.domains.conversations.deletion import purge_conversation
from nexent_gql.domains.conversations.errors import ConversationNotFoundError
from nexent_gql.domains.conversations.tables import Conversation
from nexent_gql.domains.conversations.topics import conversation_topic, run_topic
from nexent_gql.domains.conversations.writer import ConversationWriter
from nexent_gql.domains.runs.repository import RunRepository
from nexent_gql.domains.runs.stopping import discard_run
from nexent_gql.jobs.enqueue import enqueue, erase_topics, notify_readers
from nexent_gql.jobs.lease import Lease
from nexent_gql.jobs.registry import JobHandler
from nexent_gql.jobs.work import Priority, RetryPolicy, Work
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.principal import Principal

DEFAULT_RESTORE_S = 86_400


class PurgeConversation(Work):
    """Delete the rows of a conversation that was deleted at `deleted_at` and not restored since."""

    name: ClassVar[str] = "purge_conversation"
    queue: ClassVar[str] = "housekeeping"
    retry: ClassVar[RetryPolicy] = RetryPolicy(max_attempts=20, base_delay_s=5, max_age_s=None)
    priority: ClassVar[Priority] = Priority.BACKGROUND
    conversation_id: UUID
    deleted_at: datetime

    @property
    def key(self) -> str:
        """One job for each deletion."""
        return f"purge_conversation:{self.conversation_id}:{self.deleted_at.isoformat()}"


class ConversationPurger:
    """Handles `PurgeConversation`."""

    @property
    def handler(self) -> JobHandler[PurgeConversation]:
        """The handler for the job registry."""
        return JobHandler(PurgeConversation, self.run, self.abandon)

    async def run(self, lease: Lease, work: PurgeConversation) -> None:
        """Delete the conversation; its messages, runs and events go with it."""
        async with lease.transaction() as session:
            await purge_conversation(session, lease.tenant_id, work.conversation_id, work.deleted_at)

    async def abandon(self, _lease: Lease, _work: PurgeConversation) -> None:
        """Leave the dead job to an operator, who can run it again; the conversation stays hidden."""


class ConversationTrash:
    """Deletes and restores conversations, with the runs in progress.

    Args:
        db: The database.
        clock: The current time.
        restore_s: Seconds after which a deleted conversation is purged.
    """

    def __init__(self, db: Database, clock: Clock, *, restore_s: int = DEFAULT_RESTORE_S) -> None:
        self._db = db
        self._clock = clock
        self._restore_time = timedelta(seconds=restore_s)

    async def delete(self, actor: Principal, conversation_id: UUID) -> datetime:
        """Hide a conversation from all readers; returns until when it can be restored.

        Its events are deleted from the event log. Runs in progress are stopped, without their partial answers.

        Raises:
            ConversationNotFoundError: The caller owns no such conversation.
        """
        tenant_id, now = actor.tenant_id, self._clock()
        async with self._db.transaction(tenant_id) as session:
            writer = ConversationWriter(session, tenant_id, actor.user_id)
            conversation = await writer.lock(conversation_id)
            if conversation is None:
                raise ConversationNotFoundError(conversation_id)
            runs = RunRepository(session, tenant_id, actor.user_id)
            for run in await runs.active(conversation_id):
                await discard_run(session, conversation, run, now)
            run_ids = await writer.run_ids(conversation_id)
            await runs.release_client_ids(conversation_id)
            await writer.hide(conversation_id, now)
            await erase_topics(session, tenant_id, [run_topic(tenant_id, run_id) for run_id in run_ids])
            work = PurgeConversation(conversation_id=conversation_id, deleted_at=now)
            delay_s = self._restore_time.total_seconds()
            await enqueue(session, tenant_id, work, user_id=actor.user_id, delay_s=delay_s)
            await notify_readers(session, tenant_id, conversation_topic(tenant_id, conversation_id))
        return now + self._restore_time

    async def restore(self, actor: Principal, conversation_id: UUID) -> Conversation:
        """Show a deleted conversation again. One that is not deleted is returned unchanged.

        Raises:
            ConversationNotFoundError: The caller owns no such conversation, or it was deleted too long ago.
        """
        oldest = self._clock() - self._restore_time
        async with self._db.transaction(actor.tenant_id) as session:
            writer = ConversationWriter(session, actor.tenant_id, actor.user_id)
            is_restored = await writer.restore(conversation_id, oldest)
            conversation = await writer.lock(conversation_id)
            if conversation is None:
                raise ConversationNotFoundError(conversation_id)
            if is_restored:
                # the number of the event is beyond the one that ended the streams of readers
                body = conversation_events.body(conversation_events.CONVERSATION_UPDATED)
                await writer.record_events(conversation, self._clock(), body, is_activity=False)
        return conversation
