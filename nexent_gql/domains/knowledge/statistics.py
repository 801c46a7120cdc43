"""How large knowledge bases are, and which documents use a file."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from nexent_gql.db.session import Database
from nexent_gql.domains.knowledge.repository import DocumentRepository, KnowledgeBaseRepository
from nexent_gql.domains.knowledge.statistics_repository import StatisticsRepository
from nexent_gql.domains.knowledge.tables import DocumentRow, DocumentState
from nexent_gql.kernel.principal import Principal

MAX_USES = 100
"""The most documents of one file that are listed."""


@dataclass(frozen=True, slots=True)
class BaseStatistics:
    """What is in a base.

    Attributes:
        documents: How many documents are in each state, by their latest versions.
        chunk_count: Chunks of the versions that are found, disabled ones too.
        char_count: Characters of their texts.
        size_bytes: Bytes of their files and texts; content of URLs is not counted.
        changed_at: When a document last changed; None without documents.
    """

    documents: Mapping[DocumentState, int]
    chunk_count: int = 0
    char_count: int = 0
    size_bytes: int = 0
    changed_at: datetime | None = None


class KnowledgeStatisticsService:
    """Counts what the caller may read."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def of_bases(self, actor: Principal, base_ids: Sequence[UUID]) -> Mapping[UUID, BaseStatistics]:
        """Return the statistics of bases; bases that the caller may not read are left out."""
        async with self._db.read(actor.tenant_id) as session:
            bases = await KnowledgeBaseRepository(session, actor.tenant_id).readable(actor.user_id, base_ids)
            sums = await StatisticsRepository(session, actor.tenant_id).sums_of_bases([base.id for base in bases])
        return {base.id: _statistics(sums[base.id]) if base.id in sums else BaseStatistics({}) for base in bases}

    async def uses_of_files(self, actor: Principal, file_ids: Sequence[UUID]) -> Mapping[UUID, Sequence[DocumentRow]]:
        """Return the documents that the caller may read whose content is one of the files, newest first.

        At most 100 for each file; a document uses the files of its latest version and of the one that is found.
        """
        async with self._db.read(actor.tenant_id) as session:
            uses = await StatisticsRepository(session, actor.tenant_id).documents_of_files(
                actor.user_id, file_ids, MAX_USES
            )
            ids: Collection[UUID] = {document_id for documents in uses.values() for document_id in documents}
            rows = await DocumentRepository(session, actor.tenant_id).readable(actor.user_id, ids)
        by_id = {row.document.id: row for row in rows}
        return {
            file_id: [by_id[document_id] for document_id in documents if document_id in by_id]
            for file_id, documents in uses.items()
        }


def _statistics(sums: "Mapping[str, int | datetime | None]") -> BaseStatistics:
    def number(name: str) -> int:
        value = sums[name]
        return value if isinstance(value, int) else 0

    changed_at = sums["changed_at"]
    return BaseStatistics(
        documents={state: number(state) for state in DocumentState},
        chunk_count=number("chunk_count"),
        char_count=number("char_count"),
        size_bytes=number("size_bytes"),
        changed_at=changed_at if isinstance(changed_at, datetime) else None,
    )
