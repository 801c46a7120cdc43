"""The search index in Postgres."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from nexent_gql.adapters.search_fusion import BM25_B, BM25_K1, Candidate, normalized, query_tokens, rank
from nexent_gql.adapters.search_postgres.postings import IndexRows, Row, index_rows, take
from nexent_gql.adapters.search_postgres.statement import SEARCH
from nexent_gql.adapters.search_postgres.tables import SearchChunk, SearchPosting, SearchVersion
from nexent_gql.db.base import Table
from nexent_gql.db.session import Database
from nexent_gql.db.vectors import vector_text
from nexent_gql.ports.search_index import (
    CANDIDATES,
    IndexedVersion,
    SearchMode,
    SearchQuery,
    SearchResult,
    VersionNotIndexedError,
    VersionState,
)

_INSERT_ROWS = 500
_DELETED_VERSIONS = 50
"""Versions of one transaction, so that a large base does not hold locks for long."""


class PostgresSearchIndex:
    """Implements the port `SearchIndex`: an inverted index and exact cosines of pgvector, one statement for a search.

    Args:
        db: Where the tables are.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    async def check(self) -> None:
        """See `SearchIndex`; a check of Postgres itself covers it."""

    async def put(self, tenant_id: UUID, version: IndexedVersion) -> None:
        rows = await asyncio.to_thread(index_rows, tenant_id, version)
        async with self._db.transaction(tenant_id) as session:
            await _replace(session, tenant_id, rows)

    async def switch(self, tenant_id: UUID, document_id: UUID, version_id: UUID, *, fence: int) -> None:
        of_document = (col(SearchVersion.tenant_id) == tenant_id, col(SearchVersion.document_id) == document_id)
        locked = (
            select(col(SearchVersion.version_id), col(SearchVersion.fence))
            .where(*of_document)
            .order_by(col(SearchVersion.version_id))
            .with_for_update()
        )
        is_live = case((col(SearchVersion.version_id) == version_id, True), else_=False)
        switched = update(SearchVersion).where(*of_document).values(is_live=is_live, fence=fence)
        async with self._db.transaction(tenant_id) as session:
            fences = {row.version_id: row.fence for row in await session.execute(locked)}
            if any(other > fence for other in fences.values()):
                return
            if version_id not in fences:
                raise VersionNotIndexedError("The search index does not have this version.", id=str(version_id))
            await session.execute(switched)

    async def delete_version(self, tenant_id: UUID, version_id: UUID) -> None:
        await self._delete(tenant_id, col(SearchVersion.version_id) == version_id)

    async def delete_document(self, tenant_id: UUID, document_id: UUID) -> None:
        await self._delete(tenant_id, col(SearchVersion.document_id) == document_id)

    async def delete_base(self, tenant_id: UUID, knowledge_base_id: UUID) -> None:
        await self._delete(tenant_id, col(SearchVersion.knowledge_base_id) == knowledge_base_id)

    async def states(self, tenant_id: UUID, version_ids: Sequence[UUID]) -> Mapping[UUID, VersionState]:
        columns = (col(SearchVersion.version_id), col(SearchVersion.is_live))
        in_tenant = col(SearchVersion.tenant_id) == tenant_id
        chunks = col(SearchChunk.version_id) == col(SearchVersion.version_id)
        query = (
            select(*columns, func.count(col(SearchChunk.ordinal)))
            .outerjoin(SearchChunk, and_(col(SearchChunk.tenant_id) == tenant_id, chunks))
            .where(in_tenant, col(SearchVersion.version_id).in_(version_ids))
            .group_by(*columns)
        )
        async with self._db.read(tenant_id) as session:
            rows = (await session.execute(query)).all()
        return {row[0]: VersionState(row[2], is_live=row[1]) for row in rows}

    async def versions(self, tenant_id: UUID, *, after: UUID | None, limit: int) -> Sequence[UUID]:
        version_id = col(SearchVersion.version_id)
        query = select(version_id).where(col(SearchVersion.tenant_id) == tenant_id).order_by(version_id).limit(limit)
        async with self._db.read(tenant_id) as session:
            return (await session.scalars(query if after is None else query.where(version_id > after))).all()

    async def search(self, tenant_id: UUID, query: SearchQuery) -> SearchResult:
        terms = () if query.mode is SearchMode.SEMANTIC else query_tokens(query.text)
        async with self._db.read(tenant_id) as session:
            rows = (await session.execute(SEARCH, _parameters(tenant_id, query, terms))).mappings().all()
        return rank(query, terms, [_candidate(cast("Mapping[str, Any]", row)) for row in rows])

    async def _delete(self, tenant_id: UUID, condition: ColumnElement[bool]) -> None:
        in_tenant = col(SearchVersion.tenant_id) == tenant_id
        some = select(col(SearchVersion.version_id)).where(in_tenant, condition).limit(_DELETED_VERSIONS)
        statement = delete(SearchVersion).where(in_tenant, col(SearchVersion.version_id).in_(some))
        is_complete = False
        while not is_complete:
            async with self._db.transaction(tenant_id) as session:
                deleted = (await session.scalars(statement.returning(col(SearchVersion.version_id)))).all()
            is_complete = len(deleted) < _DELETED_VERSIONS


async def _replace(session: AsyncSession, tenant_id: UUID, rows: IndexRows) -> None:
    """Write a version; its row is locked first, so that two writers of the same version follow each other."""
    statement = upsert(SearchVersion).values({"is_live": False} | rows.version)
    keys = ("tenant_id", "version_id")
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=keys, set_={name: statement.excluded[name] for name in rows.version if name not in keys}
        )
    )
    for table in (SearchPosting, SearchChunk):
        is_of_version = col(table.version_id) == rows.version["version_id"]
        await session.execute(delete(table).where(col(table.tenant_id) == tenant_id, is_of_version))
    await _insert(session, SearchChunk, rows.chunks)
    await _insert(session, SearchPosting, rows.postings)


async def _insert(session: AsyncSession, table: type[Table], rows: Iterator[Row]) -> None:
    """Insert rows, which are computed in a thread, a batch at a time."""
    while batch := await asyncio.to_thread(take, rows, _INSERT_ROWS):
        await session.execute(insert(table), batch)


def _parameters(tenant_id: UUID, query: SearchQuery, terms: tuple[str, ...]) -> Row:
    vectors = () if query.mode is SearchMode.KEYWORD else query.vectors.items()
    unit = {space: values for space, vector in vectors if (values := normalized(vector)) is not None}
    return {
        "tenant": tenant_id,
        "bases": list(query.knowledge_base_ids),
        "documents": None if query.filter.document_ids is None else list(query.filter.document_ids),
        "languages": list(query.filter.languages),
        "media_types": list(query.filter.media_types),
        "created_from": query.filter.created_from,
        "created_before": query.filter.created_before,
        "terms": list(terms),
        "spaces": list(unit),
        "vectors": [vector_text(values) for values in unit.values()],
        "dimensions": [len(values) for values in unit.values()],
        "limit": CANDIDATES,
        "k1": BM25_K1,
        "b": BM25_B,
    }


def _candidate(row: Mapping[str, Any]) -> Candidate:
    values: dict[str, Any] = {**row, "terms": tuple(sorted(row["terms"] or ()))}
    return Candidate(**values)
