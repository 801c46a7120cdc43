"""Use cases of conversations. Only their owner may call them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from nexent_gql.db.session import Database
from nexent_gql.domains.agents.service import AgentService
from nexent_gql.domains.conversations import events
from nexent_gql.domains.conversations.errors import (
    ConversationNotFoundError,
    MessageNotFoundError,
    WrongMessageError,
)
from nexent_gql.domains.conversations.filters import ConversationFilter, ConversationPatch
from nexent_gql.domains.conversations.repository import ConversationRepository
from nexent_gql.domains.conversations.search import MessageIndex
from nexent_gql.domains.conversations.snippets import Snippet, snippet
from nexent_gql.domains.conversations.tables import Conversation, Message, MessageRole, Rating, TitleSource
from nexent_gql.domains.conversations.topics import conversation_topic, run_lane, run_topic
from nexent_gql.jobs.enqueue import cancel_lane, erase_topics, notify_readers
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.page import Page, PageRequest
from nexent_gql.kernel.patch import UNSET, Unset
from nexent_gql.kernel.principal import Principal
from nexent_gql.kernel.search import QueryTerm, query_terms
from nexent_gql.kernel.text import MAX_SEARCH_CHARS, optional_text, required_text, search_text, single_line
from nexent_gql.ports.events import UNKNOWN_TOPIC, Entry, EventLog, StoredEntries
from nexent_gql.streams.cursors import invalid_cursor, parse_cursor
from nexent_gql.streams.event_stream import EventStream
from nexent_gql.streams.follow import follow

MAX_TITLE_CHARS = 200
MAX_COMMENT_CHARS = 2_000
_NOT_ARCHIVED = ConversationFilter()


@dataclass(frozen=True, slots=True)
class MessageMatch:
    """A message that matches a search, with the matching passage."""

    message: Message
    snippet: Snippet


class ConversationService:
    """The use cases of conversations."""

    def __init__(self, db: Database, log: EventLog, agents: AgentService, clock: Clock) -> None:
        self._db = db
        self._log = log
        self._agents = agents
        self._clock = clock

    async def create(self, actor: Principal, *, agent_id: UUID, title: str | None = None) -> Conversation:
        """Create an empty conversation with an agent.

        Raises:
            AgentNotFoundError: The tenant has no such agent.
            InvalidInputError: The title is too long, or has characters no title can have.
        """
        name = None if title is None else single_line(title, "title", max_chars=MAX_TITLE_CHARS)
        agent = await self._agents.get(actor, agent_id)
        conversation = Conversation(
            tenant_id=actor.tenant_id,
            owner_id=actor.user_id,
            agent_id=agent.id,
            title=name or "",
            title_source=TitleSource.USER if name else TitleSource.NONE,
            created_at=self._clock(),
            updated_at=self._clock(),
        )
        async with self._db.transaction(actor.tenant_id) as session:
            ConversationRepository(session, actor.tenant_id, actor.user_id).add(conversation)
        return conversation

    async def get(self, actor: Principal, conversation_id: UUID) -> Conversation:
        """Return one of the caller's conversations.

        Raises:
            ConversationNotFoundError: The caller owns no such conversation.
        """
        async with self._db.read(actor.tenant_id) as session:
            return await self._own(
                ConversationRepository(session, actor.tenant_id, actor.user_id), actor, conversation_id
            )

    async def get_many(self, actor: Principal, ids: Sequence[UUID]) -> list[Conversation]:
        """Return those of `ids` that the caller owns, in any order."""
        async with self._db.read(actor.tenant_id) as session:
            return await ConversationRepository(session, actor.tenant_id, actor.user_id).get_many(ids)

    async def list_own(
        self,
        actor: Principal,
        page: PageRequest,
        filters: ConversationFilter = _NOT_ARCHIVED,
        *,
        ascending: bool = False,
    ) -> Page[Conversation]:
        """Page through the caller's conversations, latest first unless `ascending`.

        Raises:
            InvalidInputError: The search text is too long, or has characters that no title can have.
        """
        filters = replace(filters, search=search_text(filters.search))
        async with self._db.read(actor.tenant_id) as session:
            repository = ConversationRepository(session, actor.tenant_id, actor.user_id)
            return await repository.page_filtered(page, filters, ascending=ascending)

    async def count_own(self, actor: Principal, filters: ConversationFilter = _NOT_ARCHIVED) -> int:
        """Count the conversations that `list_own` goes through.

        Raises:
            InvalidInputError: As for `list_own`.
        """
        filters = replace(filters, search=search_text(filters.search))
        async with self._db.read(actor.tenant_id) as session:
            return await ConversationRepository(session, actor.tenant_id, actor.user_id).count_filtered(filters)

    async def rename(self, actor: Principal, conversation_id: UUID, title: str) -> Conversation:
        """Set the title; a model no longer replaces it.

        Raises:
            ConversationNotFoundError: The caller owns no such conversation.
            InvalidInputError: The title is empty, too long, or has characters no title can have.
        """
        name = single_line(title, "title", max_chars=MAX_TITLE_CHARS)
        async with self._db.transaction(actor.tenant_id) as session:
            repository = ConversationRepository(session, actor.tenant_id, actor.user_id)
            conversation = await self._own(repository, actor, conversation_id, lock=True)
            conversation.title, conversation.title_source = name, TitleSource.USER
            await repository.record_events(conversation, self._clock(), [events.body(events.TITLE_CHANGED)])
        return conversation

    async def update(self, actor: Principal, conversation_id: UUID, patch: ConversationPatch) -> Conversation:
        """Change how a conversation is listed; its last activity stays. Without a change, nothing happens.

        Raises:
            ConversationNotFoundError: The caller owns no such conversation.
        """
        async with self._db.transaction(actor.tenant_id) as session:
            repository = ConversationRepository(session, actor.tenant_id, actor.user_id)
            conversation = await self._own(repository, actor, conversation_id, lock=True)
            now = self._clock()
            before = conversation.pinned_at, conversation.archived_at
            conversation.pinned_at = _since(conversation.pinned_at, patch.is_pinned, now)
            conversation.archived_at = _since(conversation.archived_at, patch.is_archived, now)
            if before != (conversation.pinned_at, conversation.archived_at):
                body = events.body(events.CONVERSATION_UPDATED)
                await repository.record_events(conversation, now, [body], is_activity=False)
        return conversation

    async def delete(self, actor: Principal, conversation_id: UUID) -> None:
        """Delete a conversation, its messages and its runs for good, also from the event log.

        Runs in progress are stopped, and their subscriptions end.

        Raises:
            ConversationNotFoundError: The caller owns no such conversation.
        """
        async with self._db.transaction(actor.tenant_id) as session:
            repository = ConversationRepository(session, actor.tenant_id, actor.user_id)
            await self._own(repository, actor, conversation_id, lock=True)
            await cancel_lane(session, run_lane(conversation_id))
            run_ids = await repository.run_ids(conversation_id)
            await repository.delete(conversation_id)
            topics = [run_topic(actor.tenant_id, run_id) for run_id in run_ids]
            await erase_topics(session, actor.tenant_id, topics)
            await notify_readers(session, actor.tenant_id, conversation_topic(actor.tenant_id, conversation_id))

    async def message_pages(
        self, actor: Principal, conversation_ids: Sequence[UUID], page: PageRequest
    ) -> dict[UUID, Page[Message]]:
        """Page through the messages of conversations, all branches of each, oldest first.

        A conversation that the caller does not own has an empty page.
        """
        async with self._db.read(actor.tenant_id) as session:
            repository = ConversationRepository(session, actor.tenant_id, actor.user_id)
            return await repository.pages_of_messages(conversation_ids, page)

    async def message_counts(self, actor: Principal, conversation_ids: Sequence[UUID]) -> dict[UUID, int]:
        """Count the messages of all branches of conversations."""
        async with self._db.read(actor.tenant_id) as session:
            return await ConversationRepository(session, actor.tenant_id, actor.user_id).message_counts(
                conversation_ids
            )

    async def branches(self, actor: Principal, leaf_ids: Sequence[UUID], most: int) -> dict[UUID, list[Message]]:
        """Return the last `most` messages that lead to each message, it included, in order.

        Messages that do not exist are left out.
        """
        async with self._db.read(actor.tenant_id) as session:
            return await ConversationRepository(session, actor.tenant_id, actor.user_id).branches(leaf_ids, most)

    async def branch_ids(self, actor: Principal, leaf_id: UUID, most: int) -> list[UUID]:
        """Return the ids of the last `most` messages that lead to a message, it included, in order."""
        async with self._db.read(actor.tenant_id) as session:
            repository = ConversationRepository(session, actor.tenant_id, actor.user_id)
            return [id_ for _, id_ in await repository.branch_ids([leaf_id], most)]

    async def messages_by_id(self, actor: Principal, ids: Sequence[UUID]) -> list[Message]:
        """Return those of `ids` that the caller owns, in any order."""
        async with self._db.read(actor.tenant_id) as session:
            return await ConversationRepository(session, actor.tenant_id, actor.user_id).messages(ids)

    async def children(self, actor: Principal, parent_ids: Sequence[UUID]) -> list[Message]:
        """Return the children of messages, oldest first."""
        async with self._db.read(actor.tenant_id) as session:
            return await ConversationRepository(session, actor.tenant_id, actor.user_id).children(parent_ids)

    async def roots(self, actor: Principal, conversation_ids: Sequence[UUID]) -> list[Message]:
        """Return the first messages of conversations, oldest first."""
        async with self._db.read(actor.tenant_id) as session:
            return await ConversationRepository(session, actor.tenant_id, actor.user_id).roots(conversation_ids)

    async def search_messages(self, actor: Principal, query: str, page: PageRequest) -> Page[MessageMatch]:
        """Page through the caller's messages that have all words of `query`, newest first.

        A page may be shorter than requested when messages are deleted meanwhile.

        Raises:
            InvalidInputError: `query` is too long, or has no letter, digit or symbol.
        """
        terms = _terms(query)
        async with self._db.system() as session:
            hits = await MessageIndex(session, actor.tenant_id, actor.user_id).page(terms, page)
        rows = {row.id: row for row in await self.messages_by_id(actor, hits.rows)}
        places = [(rows[id_], cursor) for id_, cursor in zip(hits.rows, hits.cursors, strict=True) if id_ in rows]
        snippets = await asyncio.to_thread(lambda: [snippet(row.text, terms) for row, _ in places])
        matches = [MessageMatch(row, excerpt) for (row, _), excerpt in zip(places, snippets, strict=True)]
        cursors = [cursor for _, cursor in places]
        return Page(matches, cursors, has_next=hits.has_next, has_previous=hits.has_previous)

    async def count_matches(self, actor: Principal, query: str) -> int:
        """Count the messages that `search_messages` goes through.

        Raises:
            InvalidInputError: As for `search_messages`.
        """
        terms = _terms(query)
        async with self._db.system() as session:
            return await MessageIndex(session, actor.tenant_id, actor.user_id).count(terms)

    async def select_branch(self, actor: Principal, message_id: UUID) -> Conversation:
        """Make the branch of a message the active one, down to its newest leaf.

        Raises:
            MessageNotFoundError: The caller owns no such message.
        """
        async with self._db.transaction(actor.tenant_id) as session:
            repository = ConversationRepository(session, actor.tenant_id, actor.user_id)
            message, conversation = await self._own_message(repository, actor, message_id, lock=True)
            leaf = await repository.newest_leaf(message.id)
            if conversation.active_message_id != leaf:
                conversation.active_message_id = leaf
                body = events.body(events.ACTIVE_BRANCH_CHANGED, message_id=str(leaf))
                await repository.record_events(conversation, self._clock(), [body])
        return conversation

    async def rate(self, actor: Principal, message_id: UUID, rating: Rating | None, comment: str | None) -> Message:
        """Rate an answer; None removes the rating.

        Raises:
            MessageNotFoundError: The caller owns no such message.
            WrongMessageError: The message is not an answer.
            InvalidInputError: The comment is too long, or has no rating.
        """
        words = optional_text(comment, "comment", max_chars=MAX_COMMENT_CHARS)
        if words and rating is None:
            raise WrongMessageError("A comment needs a rating; give one, or leave the comment out.", path=("comment",))
        async with self._db.transaction(actor.tenant_id) as session:
            repository = ConversationRepository(session, actor.tenant_id, actor.user_id)
            message, conversation = await self._own_message(repository, actor, message_id, lock=True)
            if message.role != MessageRole.ASSISTANT:
                raise WrongMessageError("Only answers can be rated.", path=("messageId",))
            message.rating, message.rating_comment, message.updated_at = rating, words, self._clock()
            repository.add(message)
            body = events.body(events.MESSAGE_UPDATED, message_id=str(message.id))
            await repository.record_events(conversation, self._clock(), [body])
        return message

    async def follow(self, actor: Principal, conversation_id: UUID, *, after: str | None) -> EventStream[Entry]:
        """Return the events of a conversation after a cursor, or from now on, until it is deleted.

        Raises:
            ConversationNotFoundError: The caller owns no such conversation.
            InvalidCursorError: `after` is not a cursor of this conversation, or ahead of its last event.
        """
        conversation = await self.get(actor, conversation_id)
        now = conversation.event_seq
        seq = now if after is None else parse_cursor(conversation_id, after, "after")
        if seq > now:
            raise invalid_cursor("after")

        async def read(position: int) -> StoredEntries:
            stored = await self._stored_events(actor, conversation_id, position)
            if stored is not UNKNOWN_TOPIC:
                return stored
            end = events.deleted(position + 1, int(self._clock().timestamp() * 1000))
            return StoredEntries(entries=[end], first_seq=end.seq, last_seq=end.seq)

        push = self._log.subscribe(conversation_topic(actor.tenant_id, conversation_id))
        return follow(push, seq, read=read, last_kind=events.CONVERSATION_DELETED)

    async def _stored_events(self, actor: Principal, conversation_id: UUID, after: int) -> StoredEntries:
        """Return the events after a position; `UNKNOWN_TOPIC` when the conversation does not exist."""
        async with self._db.read(actor.tenant_id) as session:
            repository = ConversationRepository(session, actor.tenant_id, actor.user_id)
            conversation = await repository.get(conversation_id)
            if conversation is None or conversation.owner_id != actor.user_id:
                return UNKNOWN_TOPIC
            rows = await repository.events_after(conversation_id, after, 1_000)
        return StoredEntries(entries=events.entries(rows), first_seq=1, last_seq=conversation.event_seq)

    async def _own(
        self, repository: ConversationRepository, actor: Principal, conversation_id: UUID, *, lock: bool = False
    ) -> Conversation:
        conversation = await repository.get(conversation_id, lock=lock)
        if conversation is None or conversation.owner_id != actor.user_id:
            raise ConversationNotFoundError(conversation_id)
        return conversation

    async def _own_message(
        self, repository: ConversationRepository, actor: Principal, message_id: UUID, *, lock: bool = False
    ) -> tuple[Message, Conversation]:
        """Return a message and its conversation; `lock` locks the conversation before it is read."""
        message = await repository.message(message_id)
        if message is None:
            raise MessageNotFoundError(message_id)
        conversation = await repository.get(message.conversation_id, lock=lock)
        if conversation is None or conversation.owner_id != actor.user_id:
            raise MessageNotFoundError(message_id)
        return message, conversation


def _since(since: datetime | None, value: bool | Unset, now: datetime) -> datetime | None:  # noqa: FBT001 - a new value
    """Return since when a flag has been set, after a change to `value`; None if it is not."""
    if value is UNSET:
        return since
    return (since or now) if value else None


def _terms(query: str) -> list[QueryTerm]:
    terms = query_terms(required_text(query, "query", max_chars=MAX_SEARCH_CHARS))
    if not terms:
        raise InvalidInputError("Search for at least one letter, digit or symbol.", path=("query",))
    return terms
