"""Reads and writes bases, documents and chunks of one tenant."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, delete, func, or_, select, text, tuple_
from sqlalchemy.orm import aliased
from sqlmodel import col

from nexent_gql.db.paging import count_rows, keyset_page, newest_first
from nexent_gql.db.repository import TenantRepository
from nexent_gql.db.search import contains_folded, folded
from nexent_gql.domains.knowledge.access_rules import readable_by, writable_by
from nexent_gql.domains.knowledge.current import of_current_chunks, of_current_versions
from nexent_gql.domains.knowledge.filters import DocumentFilter, KnowledgeBaseFilter
from nexent_gql.domains.knowledge.tables import (
    UNFINISHED,
    Chunk,
    Document,
    DocumentRow,
    DocumentText,
    DocumentVersion,
    KnowledgeBase,
    SearchLimitationCode,
)
from nexent_gql.kernel.page import Page, PageRequest

_BASES_OF = text("""
    SELECT id, knowledge_base_id FROM document
     WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[])) AND deleted_at IS NULL
""")


class KnowledgeBaseRepository(
    TenantRepository[KnowledgeBase], table=KnowledgeBase, where=(col(KnowledgeBase.deleted_at).is_(None),)
):
    """The bases of one tenant; a query of a user returns those that the user may read."""

    async def readable(self, user_id: UUID, ids: Collection[UUID], *, lock: bool = False) -> list[KnowledgeBase]:
        """Return those of `ids` that a user may read, in any order."""
        query = self._readable(user_id).where(col(KnowledgeBase.id).in_(ids))
        query = query.with_for_update(key_share=True) if lock else query  # inserts of events refer to the row
        return list((await self._session.scalars(query)).all())

    async def writable(self, user_id: UUID, ids: Collection[UUID]) -> set[UUID]:
        """Return the ids of those of `ids` whose documents a user may change."""
        query = self._matching(None).where(col(KnowledgeBase.id).in_(ids), writable_by(self._tenant_id, user_id))
        return set((await self._session.scalars(query.with_only_columns(col(KnowledgeBase.id)))).all())

    async def locked(self, base_id: UUID) -> KnowledgeBase | None:
        """Return a base, locked against changes of its documents by users."""
        query = self._matching(None).where(col(KnowledgeBase.id) == base_id).with_for_update(key_share=True)
        return (await self._session.scalars(query)).one_or_none()

    async def shared(self, document_id: UUID) -> KnowledgeBase | None:
        """Return the base of a document, whose index is not switched until the transaction ends.

        Lock it before the document: rows are locked from the base down.
        """
        document = select(col(Document.knowledge_base_id)).where(
            col(Document.tenant_id) == self._tenant_id, col(Document.id) == document_id
        )
        query = self._matching(None).where(col(KnowledgeBase.id) == document.scalar_subquery())
        return (await self._session.scalars(query.with_for_update(read=True))).one_or_none()

    async def page_readable(self, user_id: UUID, page: PageRequest, which: KnowledgeBaseFilter) -> Page[KnowledgeBase]:
        """Return the bases that a user may read, newest first."""
        return await newest_first(self._session, self._readable(user_id, which.search), KnowledgeBase, page)

    async def count_readable(self, user_id: UUID, which: KnowledgeBaseFilter) -> int:
        """Count the bases that a user may read."""
        return await count_rows(self._session, self._readable(user_id, which.search))

    async def all(self) -> Sequence[KnowledgeBase]:
        """Return all bases, for jobs."""
        return (await self._session.scalars(self._matching(None))).all()

    def _readable(self, user_id: UUID, search: str | None = None) -> Select[KnowledgeBase]:
        query = self._matching(None).where(readable_by(self._tenant_id, user_id))
        return query.where(contains_folded(col(KnowledgeBase.name_key), search)) if search else query


class DocumentRepository(TenantRepository[Document], table=Document, where=(col(Document.deleted_at).is_(None),)):
    """The documents of one tenant."""

    async def readable(self, user_id: UUID, ids: Collection[UUID]) -> list[DocumentRow]:
        """Return those of `ids` that a user may read, in any order."""
        query = self._matching(None).where(col(Document.id).in_(ids), self._in_readable_base(user_id))
        return await self._rows((await self._session.scalars(query)).all())

    async def bases_of(self, ids: Collection[UUID]) -> dict[UUID, UUID]:
        """Return the base of each of `ids` that exists."""
        rows = await self._session.execute(_BASES_OF, {"tenant": self._tenant_id, "ids": list(ids)})
        return {row[0]: row[1] for row in rows.all()}

    async def page_of_base(
        self, knowledge_base_id: UUID, which: DocumentFilter, page: PageRequest
    ) -> Page[DocumentRow]:
        """Return the documents of a base that match, newest first."""
        documents = await newest_first(self._session, self._of_base(knowledge_base_id, which), Document, page)
        rows = {row.document.id: row for row in await self._rows(documents.rows)}
        pairs = [
            (row.id, cursor) for row, cursor in zip(documents.rows, documents.cursors, strict=True) if row.id in rows
        ]
        return Page(
            [rows[id_] for id_, _ in pairs],
            [cursor for _, cursor in pairs],
            documents.has_next,
            documents.has_previous,
        )

    async def count_of_base(self, knowledge_base_id: UUID, which: DocumentFilter) -> int:
        """Count the documents of a base that match."""
        return await count_rows(self._session, self._of_base(knowledge_base_id, which))

    async def some_of_base(self, knowledge_base_id: UUID, which: DocumentFilter, most: int) -> list[DocumentRow]:
        """Return at most `most` documents of a base that match, by id."""
        query = self._of_base(knowledge_base_id, which).order_by(col(Document.id)).limit(most)
        return await self._rows((await self._session.scalars(query)).all())

    async def by_client_id(self, knowledge_base_id: UUID, client_id: str) -> Document | None:
        """Return the document of a base that was added under a client's id."""
        query = self._matching(None).where(
            col(Document.knowledge_base_id) == knowledge_base_id, col(Document.client_id) == client_id
        )
        return (await self._session.scalars(query)).one_or_none()

    async def version(self, version_id: UUID, *, lock: bool = False) -> DocumentVersion | None:
        """Return a version; `lock` locks it until the transaction ends."""
        query = select(DocumentVersion).where(
            col(DocumentVersion.tenant_id) == self._tenant_id, col(DocumentVersion.id) == version_id
        )
        return (await self._session.scalars(query.with_for_update() if lock else query)).one_or_none()

    async def current_version(self, document_id: UUID) -> DocumentVersion | None:
        """Return the version of a document whose chunks are found."""
        query = of_current_versions(select(DocumentVersion), self._tenant_id).where(col(Document.id) == document_id)
        return (await self._session.scalars(query)).one_or_none()

    async def has_published(self, base_id: UUID) -> bool:
        """Return whether searches find a document of a base."""
        published = self._matching(None).where(
            col(Document.knowledge_base_id) == base_id, col(Document.current_version_id).is_not(None)
        )
        return (await self._session.scalars(select(published.exists()))).one()

    async def count_limited(self, base_ids: Collection[UUID]) -> dict[UUID, int]:
        """Count the documents of each base that are found by words only because their embedding failed."""
        query = (
            of_current_versions(
                select(col(Document.knowledge_base_id), func.count()).select_from(DocumentVersion), self._tenant_id
            )
            .where(
                col(Document.knowledge_base_id).in_(base_ids),
                col(DocumentVersion.limitation_code) == SearchLimitationCode.EMBEDDING_FAILED,
            )
            .group_by(col(Document.knowledge_base_id))
        )
        return {row[0]: row[1] for row in (await self._session.execute(query)).all()}

    async def published_versions(self, after: UUID | None, limit: int) -> Sequence[tuple[DocumentVersion, int]]:
        """Return versions whose chunks are found, in the order of their ids, after an id, and the index of each."""
        version_id = col(DocumentVersion.id)
        query = (
            self._used(DocumentVersion, col(KnowledgeBase.index_number))
            .where(col(Document.current_version_id) == version_id)
            .order_by(version_id)
            .limit(limit)
        )
        rows = await self._session.execute(query if after is None else query.where(version_id > after))
        return [(row[0], row[1]) for row in rows.all()]

    async def used_versions(self, ids: Collection[UUID]) -> dict[UUID, UUID]:
        """Return the bases of those of `ids` that are found, or may be found once they are processed."""
        version_id = col(DocumentVersion.id)
        is_used = or_(col(Document.current_version_id) == version_id, col(Document.latest_version_id) == version_id)
        query = self._used(version_id, col(KnowledgeBase.id)).where(version_id.in_(ids), is_used)
        return {row[0]: row[1] for row in (await self._session.execute(query)).all()}

    async def hidden_versions(self, knowledge_base_id: UUID) -> Sequence[UUID]:
        """Return the ids of versions of a base that searches do not find: of deleted documents, and superseded ones."""
        is_used = or_(
            col(DocumentVersion.id) == col(Document.latest_version_id),
            col(DocumentVersion.id) == col(Document.current_version_id),
        )
        query = (
            select(col(DocumentVersion.id))
            .join(Document, col(Document.id) == col(DocumentVersion.document_id))
            .where(
                col(DocumentVersion.tenant_id) == self._tenant_id,
                col(Document.tenant_id) == self._tenant_id,
                col(Document.knowledge_base_id) == knowledge_base_id,
                or_(col(Document.deleted_at).is_not(None), is_used.is_not(True)),
            )
        )
        return (await self._session.scalars(query)).all()

    async def unfinished(self, document_id: UUID) -> Sequence[DocumentVersion]:
        """Return the versions of a document that are being processed, locked."""
        query = select(DocumentVersion).where(
            col(DocumentVersion.tenant_id) == self._tenant_id,
            col(DocumentVersion.document_id) == document_id,
            col(DocumentVersion.state).in_(UNFINISHED),
        )
        return (await self._session.scalars(query.with_for_update())).all()

    def _used(self, *columns: Any) -> Select[*tuple[Any, ...]]:  # noqa: ANN401 - what SQLAlchemy's `select` takes
        """Select columns of versions of documents and bases that are not deleted."""
        return (
            select(*columns)
            .select_from(DocumentVersion)
            .join(Document, col(Document.id) == col(DocumentVersion.document_id))
            .join(KnowledgeBase, col(KnowledgeBase.id) == col(Document.knowledge_base_id))
            .where(
                col(DocumentVersion.tenant_id) == self._tenant_id,
                col(Document.tenant_id) == self._tenant_id,
                col(Document.deleted_at).is_(None),
                col(KnowledgeBase.tenant_id) == self._tenant_id,
                col(KnowledgeBase.deleted_at).is_(None),
            )
        )

    async def _rows(self, documents: Sequence[Document]) -> list[DocumentRow]:
        """Add versions, as one statement sees them: a document that was replaced or purged meanwhile is not torn."""
        current = aliased(DocumentVersion)
        query = (
            select(col(Document.id), DocumentVersion, col(current.number))
            .join(DocumentVersion, col(DocumentVersion.id) == col(Document.latest_version_id))
            .outerjoin(current, col(current.id) == col(Document.current_version_id))
            .where(
                col(Document.tenant_id) == self._tenant_id,
                col(DocumentVersion.tenant_id) == self._tenant_id,
                col(Document.id).in_({row.id for row in documents}),
            )
        )
        versions = {row[0]: (row[1], row[2]) for row in (await self._session.execute(query)).all()}
        return [DocumentRow(row, *versions[row.id]) for row in documents if row.id in versions]

    def _of_base(self, knowledge_base_id: UUID, which: DocumentFilter) -> Select[Document]:
        query = self._matching(None).where(col(Document.knowledge_base_id) == knowledge_base_id)
        if which.batch_id is not None:
            query = query.where(col(Document.batch_id) == which.batch_id)
        version, clauses = DocumentVersion, list[ColumnElement[bool]]()
        if which.states:
            clauses.append(col(version.state).in_(which.states))
        if which.codes:
            clauses.append(col(version.code).in_(which.codes))
        if which.version_before is not None:
            clauses.append(col(version.created_at) < which.version_before)
        if not clauses:
            return query
        latest = select(col(version.id)).where(
            col(version.tenant_id) == self._tenant_id, col(version.id) == col(Document.latest_version_id), *clauses
        )
        return query.where(latest.exists())

    def _in_readable_base(self, user_id: UUID) -> ColumnElement[bool]:
        base = select(col(KnowledgeBase.id)).where(
            col(KnowledgeBase.tenant_id) == self._tenant_id,
            col(KnowledgeBase.id) == col(Document.knowledge_base_id),
            col(KnowledgeBase.deleted_at).is_(None),
            readable_by(self._tenant_id, user_id),
        )
        return base.exists()


class ChunkRepository(TenantRepository[Chunk], table=Chunk):
    """The chunks and texts of one tenant."""

    async def page_of_version(self, version_id: UUID, page: PageRequest, content: str | None = None) -> Page[Chunk]:
        """Return the chunks of a version that contain `content`, in the order of its text."""
        return await keyset_page(self._session, self._of_version(version_id, content), Chunk, page, ascending=True)

    async def count_of_version(self, version_id: UUID, content: str | None = None) -> int:
        """Count the chunks of a version that contain `content`."""
        return await count_rows(self._session, self._of_version(version_id, content))

    async def readable(self, user_id: UUID, ids: Collection[UUID], *, is_enabled: bool | None = None) -> list[Chunk]:
        """Return those of `ids` that a user may read, of current versions, in any order.

        `is_enabled` leaves out those that searches do not find, or the others.
        """
        document = (
            select(col(Document.id))
            .join(KnowledgeBase, col(KnowledgeBase.id) == col(Document.knowledge_base_id))
            .where(
                col(Document.tenant_id) == self._tenant_id,
                col(Document.current_version_id) == col(Chunk.version_id),
                col(Document.deleted_at).is_(None),
                col(KnowledgeBase.tenant_id) == self._tenant_id,
                col(KnowledgeBase.deleted_at).is_(None),
                readable_by(self._tenant_id, user_id),
            )
        )
        query = self._scope().where(col(Chunk.id).in_(ids), document.exists())
        if is_enabled is not None:
            query = query.where(col(Chunk.is_enabled) == is_enabled)
        return list((await self._session.scalars(query)).all())

    async def neighbors(self, chunks: Collection[Chunk], count: int) -> Sequence[Chunk]:
        """Return the enabled chunks before and after each of `chunks`, at most `count` on each side, in any order."""
        places = {
            (chunk.version_id, chunk.ordinal + distance)
            for chunk in chunks
            for distance in range(-count, count + 1)
            if distance and chunk.ordinal + distance >= 0
        }
        place = tuple_(col(Chunk.version_id), col(Chunk.ordinal))
        query = self._scope().where(place.in_(places), col(Chunk.is_enabled))
        return (await self._session.scalars(query)).all()

    async def all_of_version(self, version_id: UUID) -> Sequence[Chunk]:
        """Return the chunks of a version in the order of its text."""
        return (await self._session.scalars(self._of_version(version_id).order_by(col(Chunk.ordinal)))).all()

    async def text_of(self, version_id: UUID) -> DocumentText | None:
        """Return the text of a version."""
        query = select(DocumentText).where(
            col(DocumentText.tenant_id) == self._tenant_id, col(DocumentText.version_id) == version_id
        )
        return (await self._session.scalars(query)).one_or_none()

    async def delete_of_version(self, version_id: UUID) -> None:
        """Delete the chunks of a version."""
        of_version = (col(Chunk.tenant_id) == self._tenant_id, col(Chunk.version_id) == version_id)
        await self._session.execute(delete(Chunk).where(*of_version))

    async def count_of_versions(self, version_ids: Collection[UUID]) -> dict[UUID, int]:
        """Count the chunks of versions; those without chunks are left out."""
        query = (
            select(col(Chunk.version_id), func.count())
            .where(col(Chunk.tenant_id) == self._tenant_id, col(Chunk.version_id).in_(version_ids))
            .group_by(col(Chunk.version_id))
        )
        return {row[0]: row[1] for row in (await self._session.execute(query)).all()}

    async def count_of_bases(self, base_ids: Collection[UUID]) -> dict[UUID, int]:
        """Count the chunks that are found in each base."""
        query = (
            of_current_chunks(select(col(Chunk.knowledge_base_id), func.count()), self._tenant_id)
            .where(col(Chunk.knowledge_base_id).in_(base_ids))
            .group_by(col(Chunk.knowledge_base_id))
        )
        return {row[0]: row[1] for row in (await self._session.execute(query)).all()}

    async def size_of_base(self, base_id: UUID) -> tuple[int, int, int]:
        """Return the number of documents, chunks and bytes of text that are found in a base."""
        sums = select(
            func.count(func.distinct(col(Chunk.document_id))),
            func.count(),
            func.coalesce(func.sum(func.octet_length(col(Chunk.content))), 0),
        )
        query = of_current_chunks(sums, self._tenant_id).where(col(Chunk.knowledge_base_id) == base_id)
        row = (await self._session.execute(query)).one()
        return row[0], row[1], row[2]

    def _of_version(self, version_id: UUID, content: str | None = None) -> Select[Chunk]:
        query = self._scope().where(col(Chunk.version_id) == version_id)
        if not content:
            return query
        return query.where(contains_folded(folded(col(Chunk.content)), content))
