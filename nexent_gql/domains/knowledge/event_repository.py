"""Reads and writes the events of one tenant's bases."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from nexent_gql.domains.knowledge.tables import KnowledgeEvent
from nexent_gql.domains.knowledge.topics import knowledge_topic
from nexent_gql.jobs.enqueue import NOTIFY_READERS
from nexent_gql.kernel.json import JsonObject, dumps

_LOCK_EVENTS = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")
_APPEND_EVENTS = text(f"""
    WITH last AS (
        SELECT base.id, coalesce(max(event.seq), 0) AS seq
          FROM knowledge_base AS base LEFT JOIN knowledge_event AS event ON event.knowledge_base_id = base.id
         WHERE base.tenant_id = :tenant AND base.id = :base GROUP BY base.id
    ), written AS (
        INSERT INTO knowledge_event (knowledge_base_id, seq, tenant_id, at, body)
        SELECT last.id, last.seq + number, :tenant, CAST(:at AS timestamptz), body
          FROM last CROSS JOIN jsonb_array_elements(CAST(:bodies AS jsonb)) WITH ORDINALITY AS new (body, number)
    ), notified AS ({NOTIFY_READERS} FROM last)
    SELECT 1 FROM last
""")  # noqa: S608 - the inserted text is a constant


class KnowledgeEventRepository:
    """The events of one tenant's bases."""

    def __init__(self, session: AsyncSession, tenant_id: UUID) -> None:
        self._session = session
        self._tenant_id = tenant_id

    async def append(self, knowledge_base_id: UUID, at: datetime, bodies: Sequence[JsonObject]) -> None:
        """Append events, and notify readers after the commit; nothing happens without such a base.

        Call it last in a transaction: it waits for other writers of the base until they commit.
        """
        if not bodies:
            return
        await self._session.execute(_LOCK_EVENTS, {"key": f"knowledge_event/{knowledge_base_id}"})
        values = {
            "tenant": self._tenant_id,
            "base": knowledge_base_id,
            "topic": knowledge_topic(self._tenant_id, knowledge_base_id),
            "at": at,
            "bodies": dumps(list(bodies)).decode(),
        }
        await self._session.execute(_APPEND_EVENTS, values)

    async def after(self, knowledge_base_id: UUID, seq: int, most: int) -> Sequence[KnowledgeEvent]:
        """Return at most `most` events after `seq`, in order."""
        query = (
            select(KnowledgeEvent)
            .where(
                col(KnowledgeEvent.tenant_id) == self._tenant_id,
                col(KnowledgeEvent.knowledge_base_id) == knowledge_base_id,
                col(KnowledgeEvent.seq) > seq,
            )
            .order_by(col(KnowledgeEvent.seq))
            .limit(most)
        )
        return (await self._session.scalars(query)).all()

    async def last_seqs(self, knowledge_base_ids: Collection[UUID]) -> dict[UUID, int]:
        """Return the number of the last event of each base that has one."""
        base_id = col(KnowledgeEvent.knowledge_base_id)
        query = (
            select(base_id, func.max(col(KnowledgeEvent.seq)))
            .where(col(KnowledgeEvent.tenant_id) == self._tenant_id, base_id.in_(knowledge_base_ids))
            .group_by(base_id)
        )
        return {row[0]: row[1] for row in (await self._session.execute(query)).all()}
