"""Writes and reads the events of knowledge bases."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from nexent_gql.db.session import Database
from nexent_gql.domains.knowledge.errors import KnowledgeBaseNotFoundError
from nexent_gql.domains.knowledge.event_repository import KnowledgeEventRepository
from nexent_gql.domains.knowledge.events import KNOWLEDGE_BASE_UNAVAILABLE
from nexent_gql.domains.knowledge.grant_repository import KnowledgeGrantRepository
from nexent_gql.domains.knowledge.repository import KnowledgeBaseRepository
from nexent_gql.domains.knowledge.tables import KnowledgeBase, KnowledgeEvent
from nexent_gql.domains.knowledge.topics import knowledge_topic
from nexent_gql.jobs.enqueue import notify_readers
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.json import JsonObject
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.events import Entry, EventLog, StoredEntries
from nexent_gql.streams.cursors import invalid_cursor, parse_cursor
from nexent_gql.streams.event_stream import EventStream
from nexent_gql.streams.follow import follow

_MAX_ENTRIES = 1_000


async def record_events(session: AsyncSession, base: KnowledgeBase, at: datetime, *bodies: JsonObject) -> None:
    """Append events of a base, and notify its readers after the commit.

    Call it last in a transaction: it waits for other writers of the base's events until they commit.
    """
    await KnowledgeEventRepository(session, base.tenant_id).append(base.id, at, bodies)


async def end_streams(session: AsyncSession, base: KnowledgeBase) -> None:
    """After the commit, end the streams of users who can no longer read a base."""
    await notify_readers(session, base.tenant_id, knowledge_topic(base.tenant_id, base.id))


class KnowledgeGroupListener:
    """Ends the streams of users who can no longer read a base that is shared with a group; see `GroupListener`."""

    async def access_ended(self, session: AsyncSession, tenant_id: UUID, group_id: UUID) -> None:
        """Wake the readers of all bases shared with the group; each checks its access again."""
        await KnowledgeGrantRepository(session, tenant_id).notify_readers_of_group(group_id)


class DocumentEventService:
    """Reads the events of bases that the caller may read."""

    def __init__(self, db: Database, log: EventLog, clock: Clock) -> None:
        self._db = db
        self._log = log
        self._clock = clock

    async def last_seqs(self, actor: Principal, base_ids: Sequence[UUID]) -> Mapping[UUID, int]:
        """Return the number of the last event of each base that the caller may read; none for bases without events."""
        async with self._db.read(actor.tenant_id) as session:
            bases = await KnowledgeBaseRepository(session, actor.tenant_id).readable(actor.user_id, base_ids)
            return await KnowledgeEventRepository(session, actor.tenant_id).last_seqs([base.id for base in bases])

    async def follow(self, actor: Principal, base_id: UUID, *, after: str | None) -> EventStream[Entry]:
        """Return the events of a base after a cursor, or from now on, as long as the caller may read the base.

        Raises:
            KnowledgeBaseNotFoundError: The caller can read no such base.
            InvalidCursorError: `after` is not a cursor of this base, or ahead of its last event.
        """
        stored = await self._stored(actor, base_id, 0, limit=0)
        if stored is None:
            raise KnowledgeBaseNotFoundError(base_id)
        seq = stored.last_seq if after is None else parse_cursor(base_id, after, "after")
        if seq > stored.last_seq:
            raise invalid_cursor("after")

        async def read(position: int) -> StoredEntries:
            entries = await self._stored(actor, base_id, position)
            return self._end(position) if entries is None else entries

        push = self._log.subscribe(knowledge_topic(actor.tenant_id, base_id))
        return follow(push, seq, read=read, last_kind=KNOWLEDGE_BASE_UNAVAILABLE)

    async def _stored(
        self, actor: Principal, base_id: UUID, after: int, *, limit: int = _MAX_ENTRIES
    ) -> StoredEntries | None:
        """Return the events after a position; None if the caller can read no such base."""
        async with self._db.read(actor.tenant_id) as session:
            if not await KnowledgeBaseRepository(session, actor.tenant_id).readable(actor.user_id, [base_id]):
                return None
            repository = KnowledgeEventRepository(session, actor.tenant_id)
            rows = await repository.after(base_id, after, limit)
            last_seqs = await repository.last_seqs([base_id])
        return StoredEntries([_entry(row) for row in rows], first_seq=1, last_seq=last_seqs.get(base_id, 0))

    def _end(self, position: int) -> StoredEntries:
        """Return the last event of a base that was deleted or is no longer shared."""
        at_ms = int(self._clock().timestamp() * 1_000)
        end = Entry(seq=position + 1, attempt=1, at_ms=at_ms, body={"kind": KNOWLEDGE_BASE_UNAVAILABLE})
        return StoredEntries([end], first_seq=end.seq, last_seq=end.seq)


def _entry(row: KnowledgeEvent) -> Entry:
    return Entry(seq=row.seq, attempt=1, at_ms=int(row.at.timestamp() * 1_000), body=row.body)
