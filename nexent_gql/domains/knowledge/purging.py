"""Deletes the rows of hidden documents."""

from sqlalchemy import TextClause, text

from nexent_gql.domains.knowledge.graph_repository import DELETE_GRAPHS, DELETE_UNSUPPORTED
from nexent_gql.domains.knowledge.indexing import DocumentIndexer
from nexent_gql.domains.knowledge.jobs import PurgeDocuments
from nexent_gql.jobs.lease import Lease
from nexent_gql.jobs.registry import JobHandler

_BATCH = 2_000
_SUPERSEDED = "{version} <> d.latest_version_id AND {version} IS DISTINCT FROM d.current_version_id"
_CHUNKS = text(f"""
    DELETE FROM chunk WHERE tenant_id = :tenant AND id IN (
        SELECT c.id FROM chunk AS c
          JOIN document AS d ON d.tenant_id = c.tenant_id AND d.id = c.document_id
          JOIN knowledge_base AS b ON b.tenant_id = c.tenant_id AND b.id = c.knowledge_base_id
         WHERE c.tenant_id = :tenant AND c.knowledge_base_id = :base
           AND (b.deleted_at IS NOT NULL OR d.deleted_at IS NOT NULL OR {_SUPERSEDED.format(version="c.version_id")})
         LIMIT :batch)
    RETURNING id
""")  # noqa: S608 - the inserted text is a constant
_VERSIONS = text(f"""
    DELETE FROM document_version WHERE tenant_id = :tenant AND id IN (
        SELECT v.id FROM document_version AS v
          JOIN document AS d ON d.tenant_id = v.tenant_id AND d.id = v.document_id
          JOIN knowledge_base AS b ON b.tenant_id = d.tenant_id AND b.id = d.knowledge_base_id
         WHERE v.tenant_id = :tenant AND d.knowledge_base_id = :base
           AND (b.deleted_at IS NOT NULL OR d.deleted_at IS NOT NULL OR {_SUPERSEDED.format(version="v.id")})
         LIMIT :batch)
    RETURNING id
""")  # noqa: S608 - the inserted text is a constant
_DOCUMENTS = text("""
    DELETE FROM document WHERE tenant_id = :tenant AND id IN (
        SELECT d.id FROM document AS d
          JOIN knowledge_base AS b ON b.tenant_id = d.tenant_id AND b.id = d.knowledge_base_id
         WHERE d.tenant_id = :tenant AND d.knowledge_base_id = :base
           AND (b.deleted_at IS NOT NULL OR d.deleted_at IS NOT NULL)
         LIMIT :batch)
    RETURNING id
""")
_BASES = text("""
    DELETE FROM knowledge_base WHERE id = :base AND tenant_id = :tenant AND deleted_at IS NOT NULL AND :batch > 0
    RETURNING id
""")


class DocumentPurger:
    """Handles `PurgeDocuments`."""

    def __init__(self, indexer: DocumentIndexer) -> None:
        self._indexer = indexer

    @property
    def handler(self) -> JobHandler[PurgeDocuments]:
        """What the job registry needs."""
        return JobHandler(PurgeDocuments, self.run, self.abandon)

    async def run(self, lease: Lease, work: PurgeDocuments) -> None:
        """Delete in batches, what depends on others first; the index before the rows that say what is in it."""
        if work.document_id is not None:
            await self._indexer.publish(lease.tenant_id, work.document_id)
        await self._indexer.delete_base(lease.tenant_id, work.knowledge_base_id)
        for statement in (_CHUNKS, DELETE_UNSUPPORTED, DELETE_GRAPHS, _VERSIONS, _DOCUMENTS, _BASES):
            while await _delete(lease, work, statement) >= _BATCH:
                continue

    async def abandon(self, _lease: Lease, _work: PurgeDocuments) -> None:
        """Leave the hidden rows to the next request of the base."""


async def _delete(lease: Lease, work: PurgeDocuments, statement: TextClause) -> int:
    values = {"tenant": lease.tenant_id, "base": work.knowledge_base_id, "batch": _BATCH}
    async with lease.transaction() as session:
        return len((await session.execute(statement, values)).all())
