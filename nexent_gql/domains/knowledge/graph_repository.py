"""Reads and writes the knowledge graphs of one tenant, and what was read for them; see `graph_views` for facts."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import insert, select, text
from sqlalchemy.dialects import postgresql
from sqlmodel import col

from nexent_gql.db.repository import TenantRepository
from nexent_gql.domains.knowledge.access_rules import readable_by
from nexent_gql.domains.knowledge.graph_facts import Facts
from nexent_gql.domains.knowledge.graph_tables import GraphMention, GraphPassage, GraphRelation, KnowledgeGraph
from nexent_gql.domains.knowledge.tables import KnowledgeBase
from nexent_gql.kernel.ids import new_id

_CHUNKS = """
      FROM document AS d
      JOIN chunk AS c ON c.tenant_id = d.tenant_id AND c.version_id = d.current_version_id
      LEFT JOIN knowledge_graph AS g
             ON g.tenant_id = d.tenant_id AND g.knowledge_base_id = d.knowledge_base_id AND g.deleted_at IS NULL
      LEFT JOIN graph_passage AS p
             ON p.tenant_id = c.tenant_id AND p.document_id = d.id AND p.graph_id = g.id
            AND p.content_hash = md5(c.content)
     WHERE d.tenant_id = :tenant AND c.tenant_id = :tenant AND d.deleted_at IS NULL AND c.is_enabled
"""
"""Chunks that searches find, with what was read of them."""

_UNREAD = text(f"""
    SELECT id FROM (
        SELECT DISTINCT ON (d.id, md5(c.content)) c.id, d.id AS document_id, c.ordinal {_CHUNKS}
           AND d.knowledge_base_id = :base AND p.id IS NULL
         ORDER BY d.id, md5(c.content), c.ordinal
    ) AS unread ORDER BY document_id, ordinal LIMIT :most
""")  # noqa: S608 - the inserted text is a constant
_COUNTS = text(f"""
    SELECT d.knowledge_base_id, count(*) AS total, count(p.id) AS done, count(p.code) AS failed,
           coalesce(sum(octet_length(c.content)) FILTER (WHERE p.id IS NULL), 0) AS unread_bytes {_CHUNKS}
       AND d.knowledge_base_id = ANY(:bases)
     GROUP BY d.knowledge_base_id
""")
DELETE_UNSUPPORTED = text("""
    DELETE FROM graph_passage WHERE tenant_id = :tenant AND id IN (
        SELECT p.id FROM graph_passage AS p
          JOIN knowledge_graph AS g ON g.tenant_id = p.tenant_id AND g.id = p.graph_id
          JOIN knowledge_base AS b ON b.tenant_id = g.tenant_id AND b.id = g.knowledge_base_id
          JOIN document AS d ON d.tenant_id = p.tenant_id AND d.id = p.document_id
         WHERE p.tenant_id = :tenant AND g.tenant_id = :tenant AND b.tenant_id = :tenant AND d.tenant_id = :tenant
           AND g.knowledge_base_id = :base
           AND (g.deleted_at IS NOT NULL OR b.deleted_at IS NOT NULL OR d.deleted_at IS NOT NULL
                OR NOT EXISTS (SELECT 1 FROM chunk AS c
                                WHERE c.tenant_id = :tenant AND c.document_id = d.id
                                  AND md5(c.content) = p.content_hash))
         LIMIT :batch)
    RETURNING id
""")
"""Deletes what was read of texts that no version of a document has any more; mentions and relations go along."""
DELETE_GRAPHS = text("""
    DELETE FROM knowledge_graph WHERE tenant_id = :tenant AND id IN (
        SELECT id FROM knowledge_graph
         WHERE tenant_id = :tenant AND knowledge_base_id = :base AND deleted_at IS NOT NULL LIMIT :batch)
    RETURNING id
""")


@dataclass(frozen=True, slots=True)
class GraphCounts:
    """How many passages of a base searches find, and how many of them were read; `failed` is a part of `done`.

    `unread_bytes` is the size of the text of the others.
    """

    total: int = 0
    done: int = 0
    failed: int = 0
    unread_bytes: int = 0


class GraphRepository(
    TenantRepository[KnowledgeGraph], table=KnowledgeGraph, where=(col(KnowledgeGraph.deleted_at).is_(None),)
):
    """The graphs of one tenant; except for `readable`, the caller checks who may read the base."""

    async def readable(self, user_id: UUID, base_ids: Collection[UUID]) -> Sequence[KnowledgeGraph]:
        """Return the graphs of those of the bases that a user may read."""
        base = select(col(KnowledgeBase.id)).where(
            col(KnowledgeBase.tenant_id) == self._tenant_id,
            col(KnowledgeBase.id) == col(KnowledgeGraph.knowledge_base_id),
            col(KnowledgeBase.deleted_at).is_(None),
            readable_by(self._tenant_id, user_id),
        )
        query = self._matching(None).where(col(KnowledgeGraph.knowledge_base_id).in_(base_ids), base.exists())
        return (await self._session.scalars(query)).all()

    async def of_base(self, base_id: UUID, *, lock: bool = False) -> KnowledgeGraph | None:
        """Return the graph of a base; `lock` locks it, but lets others store what they read for it."""
        query = self._matching(None).where(col(KnowledgeGraph.knowledge_base_id) == base_id)
        query = query.with_for_update(key_share=True) if lock else query
        return (await self._session.scalars(query)).one_or_none()

    async def of_bases(self, base_ids: Collection[UUID]) -> Sequence[KnowledgeGraph]:
        """Return the graphs of bases."""
        query = self._matching(None).where(col(KnowledgeGraph.knowledge_base_id).in_(base_ids))
        return (await self._session.scalars(query)).all()

    async def unread(self, base_id: UUID, most: int) -> Sequence[UUID]:
        """Return chunks of a base whose texts were not read, one for each text, in the order of documents."""
        values = {"tenant": self._tenant_id, "base": base_id, "most": most}
        return (await self._session.scalars(_UNREAD, values)).all()

    async def counts(self, base_ids: Collection[UUID]) -> Mapping[UUID, GraphCounts]:
        """Count the passages of bases; those without documents are left out."""
        rows = await self._session.execute(_COUNTS, {"tenant": self._tenant_id, "bases": list(base_ids)})
        return {
            row.knowledge_base_id: GraphCounts(row.total, row.done, row.failed, int(row.unread_bytes)) for row in rows
        }

    async def delete_unsupported(self, base_id: UUID, batch: int) -> int:
        """Delete at most so many of the texts that were read and exist no more; returns how many."""
        values = {"tenant": self._tenant_id, "base": base_id, "batch": batch}
        return len((await self._session.execute(DELETE_UNSUPPORTED, values)).all())

    async def delete_failed(self, graph_id: UUID) -> None:
        """Let passages be read again whose answer could not be used."""
        statement = text(
            "DELETE FROM graph_passage WHERE tenant_id = :tenant AND graph_id = :graph AND code IS NOT NULL"
        )
        await self._session.execute(statement, {"tenant": self._tenant_id, "graph": graph_id})

    async def store(
        self, graph: KnowledgeGraph, document_id: UUID, content_hash: str, facts: Facts, code: str | None = None
    ) -> None:
        """Store what was read of a text, once."""
        passage_id = new_id()
        row = {
            "id": passage_id,
            "tenant_id": self._tenant_id,
            "graph_id": graph.id,
            "document_id": document_id,
            "content_hash": content_hash,
            "code": code,
        }
        statement = postgresql.insert(GraphPassage).values(row).on_conflict_do_nothing()
        if (await self._session.scalars(statement.returning(col(GraphPassage.id)))).one_or_none() is None:
            return
        own: dict[str, object] = {"tenant_id": self._tenant_id, "passage_id": passage_id, "graph_id": graph.id}
        if facts.mentions:
            rows = [{**own, "name_key": it.key, "name": it.name, "kind": it.kind} for it in facts.mentions.values()]
            await self._session.execute(insert(GraphMention), rows)
        if facts.relations:
            relations = [
                {
                    **own,
                    "source_key": it.source_key,
                    "target_key": it.target_key,
                    "label": it.label,
                    "is_alias": it.is_alias,
                }
                for it in facts.relations
            ]
            await self._session.execute(insert(GraphRelation), relations)
