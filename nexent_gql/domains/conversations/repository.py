"""Reads and writes conversations of one owner."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    DateTime,
    Integer,
    Select,
    Tuple,
    Uuid,
    any_,
    bindparam,
    delete,
    desc,
    func,
    select,
    text,
    true,
    tuple_,
)
from sqlalchemy.orm import aliased
from sqlalchemy.orm.attributes import set_committed_value
from sqlmodel import col

from nexent_gql.db.paging import KeysetList, count_rows, keyset_page
from nexent_gql.db.repository import OwnerRepository
from nexent_gql.domains.conversations.errors import ConversationNotFoundError
from nexent_gql.domains.conversations.filters import ConversationFilter
from nexent_gql.domains.conversations.search import search_vector
from nexent_gql.domains.conversations.tables import (
    Conversation,
    ConversationEvent,
    Message,
    MessageSearch,
    MessageStatus,
    stored_parts,
)
from nexent_gql.domains.conversations.topics import conversation_topic
from nexent_gql.jobs.enqueue import NOTIFY_READERS
from nexent_gql.kernel.json import JsonObject, dumps
from nexent_gql.kernel.page import BY_ACTIVITY, Cursor, Page, PageRequest, page_of
from nexent_gql.ports.content import ContentPart, join_text

_CLOSE = text("""
    WITH closed AS (
        UPDATE message SET text = :text, parts = CAST(:parts AS jsonb), status = :status, updated_at = :at
         WHERE tenant_id = :tenant AND id = :message AND conversation_id IN (
               SELECT id FROM conversation WHERE tenant_id = :tenant AND owner_id = :owner AND deleted_at IS NULL)
        RETURNING id, created_at
    ), indexed AS (
        INSERT INTO message_search (message_id, tenant_id, owner_id, created_at, vector)
        SELECT id, :tenant, :owner, created_at, CAST(:vector AS tsvector) FROM closed WHERE :vector <> ''
        ON CONFLICT (message_id) DO UPDATE SET vector = EXCLUDED.vector
    )
    SELECT id FROM closed
""")
_BRANCHES = text("""
    WITH RECURSIVE branch AS (
        SELECT id AS leaf_id, id, parent_id, 1 AS depth FROM message
         WHERE tenant_id = :tenant AND id = ANY(CAST(:leaves AS uuid[])) AND conversation_id IN (
               SELECT id FROM conversation WHERE tenant_id = :tenant AND owner_id = :owner AND deleted_at IS NULL)
        UNION ALL
        SELECT leaf_id, up.id, up.parent_id, depth + 1 FROM branch JOIN message AS up ON up.id = branch.parent_id
         WHERE up.tenant_id = :tenant AND depth < :most)
    SELECT leaf_id, id FROM branch ORDER BY leaf_id, depth DESC
""")
_LEAF = text("""
    WITH RECURSIVE below AS (
        SELECT id, created_at FROM message
         WHERE tenant_id = :tenant AND id = :start AND conversation_id IN (
               SELECT id FROM conversation WHERE tenant_id = :tenant AND owner_id = :owner AND deleted_at IS NULL)
        UNION ALL
        SELECT newest.id, newest.created_at FROM below CROSS JOIN LATERAL (
            SELECT id, created_at FROM message WHERE tenant_id = :tenant AND parent_id = below.id
             ORDER BY created_at DESC, id DESC LIMIT 1) AS newest)
    SELECT id FROM below ORDER BY created_at DESC, id DESC LIMIT 1
""")
_HIDE = text("""
    WITH hidden AS (
        UPDATE conversation SET deleted_at = :now
         WHERE tenant_id = :tenant AND owner_id = :owner AND id = :conversation AND deleted_at IS NULL RETURNING id
    ), indexed AS (
        UPDATE message_search SET is_hidden = true WHERE tenant_id = :tenant AND owner_id = :owner AND message_id IN (
               SELECT message.id FROM message JOIN hidden ON hidden.id = conversation_id WHERE tenant_id = :tenant)
    )
    SELECT id FROM hidden
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
_APPEND_EVENTS_TEMPLATE = """
    WITH numbered AS (
        UPDATE conversation SET event_seq = event_seq + :count,
               updated_at = COALESCE(CAST(:activity_at AS timestamptz), updated_at)
         WHERE tenant_id = :tenant AND id = :conversation AND owner_id = :owner AND deleted_at IS NULL
        RETURNING event_seq - :count AS last_seq
    ), written AS (
        INSERT INTO conversation_event (conversation_id, seq, tenant_id, at, body)
        SELECT :conversation, last_seq + number, :tenant, CAST(:at AS timestamptz), body
          FROM numbered CROSS JOIN jsonb_array_elements(CAST(:bodies AS jsonb)) WITH ORDINALITY AS new (body, number)
    ), notified AS ({notify} FROM numbered)
    SELECT last_seq + :count FROM numbered
"""
_APPEND_EVENTS = text(_APPEND_EVENTS_TEMPLATE.format(notify=NOTIFY_READERS))
_NO_AGENT = UUID(int=0)
_IDS = bindparam("ids", type_=ARRAY(Uuid()))
_IN_TENANT, _OF_OWNER = bindparam("tenant", type_=Uuid()), bindparam("owner", type_=Uuid())
_OWN = (
    col(Conversation.tenant_id) == _IN_TENANT,
    col(Conversation.owner_id) == _OF_OWNER,
    col(Conversation.deleted_at).is_(None),
)
_OWNED_IDS = select(col(Conversation.id)).where(*_OWN)
_MESSAGES = select(Message).where(col(Message.tenant_id) == _IN_TENANT, col(Message.conversation_id).in_(_OWNED_IDS))
_MESSAGES_BY_ID = _MESSAGES.where(col(Message.id) == any_(_IDS))
_OLDEST_FIRST = (col(Message.created_at), col(Message.id))
_CHILDREN = _MESSAGES.where(col(Message.parent_id) == any_(_IDS)).order_by(*_OLDEST_FIRST)
_ROOTS = _MESSAGES.where(col(Message.conversation_id) == any_(_IDS), col(Message.parent_id).is_(None)).order_by(
    *_OLDEST_FIRST
)


class ConversationRepository(
    OwnerRepository[Conversation],
    table=Conversation,
    visible=(col(Conversation.deleted_at).is_(None),),
    search_key="title_key",
):
    """The conversations of one owner and their messages; every query names the tenant and the owner.

    Deleted conversations do not exist, even while they can be restored.
    """

    def index(self, message: Message) -> None:
        """Add a new message to the search index, on flush."""
        if vector := search_vector(self._owner_id, message.text):
            self._session.add(
                MessageSearch(
                    message_id=message.id,
                    tenant_id=self._tenant_id,
                    owner_id=self._owner_id,
                    created_at=message.created_at,
                    vector=vector,
                )
            )

    async def page_filtered(
        self, page: PageRequest, filters: ConversationFilter, *, ascending: bool = False
    ) -> Page[Conversation]:
        """Return conversations in the order of `page`."""
        by = "updated_at" if page.order == BY_ACTIVITY else "created_at"
        if filters.search:
            query = self._filtered(filters)
            return await keyset_page(self._session, query, Conversation, page, by=by, ascending=ascending)
        values = {**self._parameters, "agent": filters.agent_id}
        shape = filters if filters.agent_id is None else replace(filters, agent_id=_NO_AGENT)
        return await _list(by, shape).page(self._session, page, values, ascending=ascending)

    async def count_filtered(self, filters: ConversationFilter) -> int:
        """Count the conversations that `page_filtered` goes through."""
        return await count_rows(self._session, self._filtered(filters))

    async def run_ids(self, conversation_id: UUID) -> list[UUID]:
        """Return the runs of a conversation's answers, in any order."""
        query = select(col(Message.run_id)).where(
            col(Message.tenant_id) == self._tenant_id,
            col(Message.conversation_id) == conversation_id,
            col(Message.conversation_id).in_(_OWNED_IDS),
            col(Message.run_id).is_not(None),
        )
        run_ids = (await self._session.scalars(query, self._parameters)).all()
        return [run_id for run_id in run_ids if run_id is not None]

    async def delete(self, conversation_id: UUID) -> None:
        """Delete a conversation with its messages, events and runs."""
        await self._session.execute(
            delete(Conversation).where(
                col(Conversation.tenant_id) == self._tenant_id,
                col(Conversation.owner_id) == self._owner_id,
                col(Conversation.deleted_at).is_(None),
                col(Conversation.id) == conversation_id,
            )
        )

    async def hide(self, conversation_id: UUID, now: datetime) -> bool:
        """Hide a conversation from lists, lookups and the message search; False when it does not exist."""
        values = {"tenant": self._tenant_id, "owner": self._owner_id, "conversation": conversation_id, "now": now}
        return (await self._session.execute(_HIDE, values)).first() is not None

    async def restore(self, conversation_id: UUID, oldest: datetime) -> bool:
        """Show a conversation that was hidden after `oldest`; False when there is no such conversation."""
        values = {"tenant": self._tenant_id, "owner": self._owner_id, "conversation": conversation_id, "oldest": oldest}
        return (await self._session.execute(_RESTORE, values)).first() is not None

    async def message(self, message_id: UUID) -> Message | None:
        """Return a message."""
        return next(iter(await self.messages([message_id])), None)

    async def close_message(
        self, message_id: UUID, content: tuple[ContentPart, ...], status: MessageStatus, at: datetime
    ) -> bool:
        """Set the final content and status of a message, and index it; False when it does not exist."""
        parts = stored_parts(content)
        values = {
            "tenant": self._tenant_id,
            "message": message_id,
            "owner": self._owner_id,
            "text": join_text(content),
            "vector": search_vector(self._owner_id, join_text(content)),
            "parts": None if parts is None else dumps(parts).decode(),
            "status": status,
            "at": at,
        }
        return (await self._session.execute(_CLOSE, values)).first() is not None

    async def messages(self, ids: Collection[UUID]) -> list[Message]:
        """Return those of `ids` that exist, in any order."""
        return await self._select(_MESSAGES_BY_ID, ids)

    async def pages_of_messages(self, conversation_ids: Sequence[UUID], page: PageRequest) -> dict[UUID, Page[Message]]:
        """Return the same part of each conversation's messages, of all branches, oldest first; one statement."""
        query = _pages_of_messages(page.backward, page.after is not None, page.before is not None)
        values = {
            **self._parameters,
            "ids": list(conversation_ids),
            "size": page.size + 1,
            **({"after_at": page.after.at, "after_id": page.after.id} if page.after else {}),
            **({"before_at": page.before.at, "before_id": page.before.id} if page.before else {}),
        }
        rows: dict[UUID, list[Message]] = {id_: [] for id_ in conversation_ids}
        for row in (await self._session.scalars(query, values)).all():
            rows[row.conversation_id].append(row)
        return {id_: page_of(messages, page, _cursor) for id_, messages in rows.items()}

    async def message_counts(self, conversation_ids: Sequence[UUID]) -> dict[UUID, int]:
        """Count the messages of all branches; conversations without any are left out."""
        conversation_id = col(Message.conversation_id)
        query = select(conversation_id, func.count()).where(
            col(Message.tenant_id) == _IN_TENANT,
            conversation_id == any_(_IDS),
            conversation_id.in_(_OWNED_IDS),
        )
        values = {**self._parameters, "ids": list(conversation_ids)}
        return {row[0]: row[1] for row in await self._session.execute(query.group_by(conversation_id), values)}

    async def branch(self, leaf_id: UUID, most: int) -> list[Message]:
        """Return the last `most` messages that lead to `leaf_id`, it included, oldest first."""
        return (await self.branches([leaf_id], most)).get(leaf_id, [])

    async def branches(self, leaf_ids: Sequence[UUID], most: int) -> dict[UUID, list[Message]]:
        """Return the last `most` messages that lead to each leaf that exists, it included, oldest first."""
        places = await self.branch_ids(leaf_ids, most)
        rows = {row.id: row for row in await self.messages({id_ for _, id_ in places})}
        branches: defaultdict[UUID, list[Message]] = defaultdict(list)
        for leaf_id, id_ in places:
            if id_ in rows:
                branches[leaf_id].append(rows[id_])
        return branches

    async def branch_ids(self, leaf_ids: Sequence[UUID], most: int) -> list[tuple[UUID, UUID]]:
        """Return pairs of a leaf and one of the last `most` messages that lead to it, for each leaf oldest first."""
        values = {"tenant": self._tenant_id, "owner": self._owner_id, "leaves": list(leaf_ids), "most": most}
        return [(row[0], row[1]) for row in await self._session.execute(_BRANCHES, values)]

    async def newest_leaf(self, message_id: UUID) -> UUID:
        """Return the leaf that is reached from a message by following the newest child."""
        values = {"tenant": self._tenant_id, "owner": self._owner_id, "start": message_id}
        return (await self._session.execute(_LEAF, values)).scalar_one()

    async def children(self, parent_ids: Sequence[UUID]) -> list[Message]:
        """Return all children of the parents, oldest first."""
        return await self._select(_CHILDREN, parent_ids)

    async def roots(self, conversation_ids: Sequence[UUID]) -> list[Message]:
        """Return the first messages of the conversations, oldest first."""
        return await self._select(_ROOTS, conversation_ids)

    async def events_after(self, conversation_id: UUID, seq: int, most: int) -> list[ConversationEvent]:
        """Return at most `most` events after `seq`, in order."""
        query = (
            select(ConversationEvent)
            .where(
                col(ConversationEvent.tenant_id) == self._tenant_id,
                col(ConversationEvent.conversation_id) == conversation_id,
                col(ConversationEvent.conversation_id).in_(_OWNED_IDS),
                col(ConversationEvent.seq) > seq,
            )
            .order_by(col(ConversationEvent.seq))
            .limit(most)
        )
        return list((await self._session.scalars(query, self._parameters)).all())

    async def record_events(
        self, conversation: Conversation, at: datetime, bodies: Sequence[JsonObject], *, is_activity: bool = True
    ) -> None:
        """Append events and update `conversation` in memory; pending rows are flushed first.

        Without `is_activity`, the time of the last activity and with it the place in lists stay.

        Raises:
            ConversationNotFoundError: The owner has no such conversation; nothing that is pending may be committed.
        """
        seq = await self.append_events(conversation.id, at, bodies, is_activity=is_activity)
        if seq is None:
            raise ConversationNotFoundError(conversation.id)
        set_committed_value(conversation, "event_seq", seq)
        if is_activity:
            set_committed_value(conversation, "updated_at", at)

    async def append_events(
        self, conversation_id: UUID, at: datetime, bodies: Sequence[JsonObject], *, is_activity: bool = True
    ) -> int | None:
        """Append events and notify readers after the commit; return the number of the last event.

        The conversation stays locked until then. None when it does not exist.
        """
        values = {
            "tenant": self._tenant_id,
            "owner": self._owner_id,
            "conversation": conversation_id,
            "at": at,
            "activity_at": at if is_activity else None,
            "count": len(bodies),
            "bodies": dumps(bodies).decode(),
            "topic": conversation_topic(self._tenant_id, conversation_id),
        }
        return (await self._session.execute(_APPEND_EVENTS, values)).scalar_one_or_none()

    def _filtered(self, filters: ConversationFilter) -> Select[Conversation]:
        return _filter(self._matching(filters.search), filters)

    async def _select(self, query: Select[Message], ids: Collection[UUID]) -> list[Message]:
        values = {**self._parameters, "ids": list(ids)}
        return list((await self._session.scalars(query, values)).all())


@cache
def _list(by: str, filters: ConversationFilter) -> KeysetList[Conversation]:
    """Return the list in one order of conversations that match `filters`, of the agent in the parameter `agent`."""
    return KeysetList(_filter(select(Conversation).where(*_OWN), filters), Conversation, by)


def _filter(query: Select[Conversation], filters: ConversationFilter) -> Select[Conversation]:
    archived, pinned = col(Conversation.archived_at), col(Conversation.pinned_at)
    query = query.where(archived.is_not(None) if filters.is_archived else archived.is_(None))
    if filters.is_pinned is not None:
        query = query.where(pinned.is_not(None) if filters.is_pinned else pinned.is_(None))
    if filters.agent_id is not None:
        query = query.where(col(Conversation.agent_id) == bindparam("agent", filters.agent_id, Uuid()))
    return query


@cache
def _pages_of_messages(backward: bool, has_after: bool, has_before: bool) -> Select[Message]:  # noqa: FBT001 - cached
    """Build the statement of `pages_of_messages`, once for each shape.

    Its alias takes longer to build than the statement to run, and leaves 600 objects to the garbage collector.
    """
    conversation = _OWNED_IDS.where(col(Conversation.id) == any_(_IDS)).subquery()
    query = select(Message).where(
        col(Message.tenant_id) == _IN_TENANT, col(Message.conversation_id) == conversation.c.id
    )
    place = tuple_(col(Message.created_at), col(Message.id))
    if has_after:
        query = query.where(place > _position("after"))
    if has_before:
        query = query.where(place < _position("before"))
    part = _ordered(query, Message, backward=backward).limit(bindparam("size", type_=Integer)).lateral()
    message = aliased(Message, part)
    joined = select(message).select_from(conversation.join(part, true()))
    return _ordered(joined, message, backward=backward)


def _position(name: str) -> Tuple:
    return tuple_(bindparam(f"{name}_at", type_=DateTime(timezone=True)), bindparam(f"{name}_id", type_=Uuid()))


def _ordered(query: Select[Message], table: type[Message], *, backward: bool) -> Select[Message]:
    at, id_ = col(table.created_at), col(table.id)
    return query.order_by(desc(at), desc(id_)) if backward else query.order_by(at, id_)


def _cursor(row: Message) -> Cursor:
    return Cursor(at=row.created_at, id=row.id)
