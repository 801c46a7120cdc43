"""Keeps the search index in step with documents: their rows say what is put, switched to and deleted."""

import asyncio
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import overload
from uuid import UUID

import structlog
from sqlalchemy import TextClause, text

from nexent_gql.db.session import Database
from nexent_gql.domains.knowledge.embedding import KnowledgeEmbedder, model_identity, space_of
from nexent_gql.domains.knowledge.repository import ChunkRepository, DocumentRepository, KnowledgeBaseRepository
from nexent_gql.domains.knowledge.service import NO_MODEL
from nexent_gql.domains.knowledge.tables import Chunk, DocumentVersion, SearchLimitationCode
from nexent_gql.domains.knowledge.vector_file import VectorFile
from nexent_gql.kernel.errors import DomainError
from nexent_gql.ports.embeddings import Vector
from nexent_gql.ports.llm import ModelEndpoint
from nexent_gql.ports.search_index import IndexedChunk, IndexedVersion, SearchIndex, VersionNotIndexedError

INDEX_FORMAT = 1
"""Grows with a change of what is indexed; documents of a lower one are indexed again."""

_BASE = text("UPDATE knowledge_base SET index_revision = index_revision + 1 WHERE tenant_id = :tenant AND id = :id")
_BASE_OF_DOCUMENT = text("""
    UPDATE knowledge_base SET index_revision = index_revision + 1
     WHERE tenant_id = :tenant
       AND id = (SELECT knowledge_base_id FROM document WHERE tenant_id = :tenant AND id = :id)
""")
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class IndexOutcome:
    """How a version was put.

    Attributes:
        model: The embedding model that was to be used, see `model_identity`; None if there is none.
        space: Names its vectors; None if the version is found by words only.
        code: Why it is found by words only.
        message: The same for people.
    """

    model: str | None = None
    space: str | None = None
    code: SearchLimitationCode | None = None
    message: str | None = None

    def record(self, version: DocumentVersion, now: datetime) -> None:
        """Keep it with the version."""
        version.index_format, version.indexed_at = INDEX_FORMAT, now
        version.index_model, version.index_space = self.model, self.space
        version.limitation_code, version.limitation_message = self.code, self.message


class DocumentIndexer:
    """Writes versions of documents to the index; every method may be repeated.

    Args:
        db: Where the chunks are.
        index: Where they are found.
        embedder: Gives them vectors; without an embedding model they are found by words only.
    """

    def __init__(self, db: Database, index: SearchIndex, embedder: KnowledgeEmbedder) -> None:
        self._db = db
        self._index = index
        self._embedder = embedder

    async def put(self, tenant_id: UUID, version_id: UUID, *, is_last_attempt: bool = True) -> IndexOutcome:
        """Put the chunks of a version; nobody finds them before `publish`, unless the version is found already.

        A version whose embedding model fails for good is put without vectors. Chunks that are edited meanwhile are put
        again, and a version that is superseded or deleted meanwhile, and purged perhaps, is deleted from the index.

        Args:
            tenant_id: The tenant.
            version_id: The version.
            is_last_attempt: Whether a failure that may pass counts as one for good.

        Raises:
            DomainError: The embedding model or the index failed, and another attempt may help.
        """
        outcome, edits = IndexOutcome(), -1
        while (present := await self._edits_of(tenant_id, version_id)) != edits:
            if present is None:
                await self._index.delete_version(tenant_id, version_id)
                break
            edits = present
            outcome = await self._put_once(tenant_id, version_id, is_last_attempt=is_last_attempt)
        return outcome

    async def _put_once(self, tenant_id: UUID, version_id: UUID, *, is_last_attempt: bool) -> IndexOutcome:
        async with self._db.read(tenant_id) as session:
            version = await DocumentRepository(session, tenant_id).version(version_id)
            chunks = await ChunkRepository(session, tenant_id).all_of_version(version_id)
            base = (
                await KnowledgeBaseRepository(session, tenant_id).get(chunks[0].knowledge_base_id) if chunks else None
            )
        if version is None or base is None:
            return IndexOutcome()
        with closing(VectorFile()) as vectors:
            try:
                outcome = await self._embed(base.embedding_model_id, version, chunks, vectors)
            except DomainError as error:
                if error.retryable and not is_last_attempt:
                    raise
                _log.warning("knowledge.indexed_without_vectors", version_id=str(version_id), code=error.code)
                outcome = _failed(await self._identity(tenant_id, base.embedding_model_id), error)
            await self._index.put(tenant_id, _indexed(version, chunks, vectors, outcome.space))
        return outcome

    async def _edits_of(self, tenant_id: UUID, version_id: UUID) -> int | None:
        async with self._db.read(tenant_id) as session:
            return await DocumentRepository(session, tenant_id).edits_of(version_id)

    async def publish(self, tenant_id: UUID, document_id: UUID) -> None:
        """Let searches find the current version of a document, which is put if the index has lost it."""
        async with self._db.read(tenant_id) as session:
            version = await DocumentRepository(session, tenant_id).current_version(document_id)
        if version is None:
            return
        try:
            await self._index.switch(tenant_id, document_id, version.id, fence=version.number)
        except VersionNotIndexedError:
            await self.put(tenant_id, version.id)
            await self._index.switch(tenant_id, document_id, version.id, fence=version.number)
        await self._count_write(tenant_id, _BASE_OF_DOCUMENT, document_id)

    async def forget(self, tenant_id: UUID, base_id: UUID) -> None:
        """Delete what is hidden already: a deleted base, deleted documents of a base, and superseded versions."""
        async with self._db.read(tenant_id) as session:
            base = await KnowledgeBaseRepository(session, tenant_id).get(base_id)
            hidden = await DocumentRepository(session, tenant_id).hidden_versions(base_id)
        if base is None:
            await self._index.delete_base(tenant_id, base_id)
            return
        for version_id in hidden:
            await self._index.delete_version(tenant_id, version_id)
        if hidden:
            await self._count_write(tenant_id, _BASE, base_id)

    async def _count_write(self, tenant_id: UUID, statement: TextClause, id_: UUID) -> None:
        """Let searches ask the index again, because it has changed."""
        async with self._db.transaction(tenant_id) as session:
            await session.execute(statement, {"tenant": tenant_id, "id": id_})

    async def _embed(
        self, model_id: UUID | None, version: DocumentVersion, chunks: Sequence[Chunk], vectors: VectorFile
    ) -> IndexOutcome:
        endpoint = await self._embedder.endpoint(version.tenant_id, model_id)
        if endpoint is None:
            return IndexOutcome(code=SearchLimitationCode.NO_EMBEDDING_MODEL, message=NO_MODEL)
        texts = [chunk.search_text for chunk in chunks]
        async for batch in self._embedder.embed_passages(endpoint, version.tenant_id, version.created_by, texts):
            await asyncio.to_thread(vectors.extend, batch)
        identity = model_identity(endpoint)
        return IndexOutcome(identity, space_of(identity, vectors.dimensions))

    async def _identity(self, tenant_id: UUID, model_id: UUID | None) -> str | None:
        endpoint: ModelEndpoint | None = None
        try:
            endpoint = await self._embedder.endpoint(tenant_id, model_id)
        except DomainError as error:  # an unreadable key: the model has no identity until its key is entered again
            _log.info("knowledge.no_embedding_model", code=error.code)
        return None if endpoint is None else model_identity(endpoint)


def _failed(identity: str | None, error: DomainError) -> IndexOutcome:
    message = f"Searched by words only: the embedding model failed. {error.message}"
    return IndexOutcome(model=identity, code=SearchLimitationCode.EMBEDDING_FAILED, message=message)


class _Chunks(Sequence[IndexedChunk]):
    """Chunks whose vectors are read when they are needed."""

    def __init__(self, chunks: Sequence[Chunk], vectors: Sequence[Vector]) -> None:
        self._chunks = chunks
        self._vectors = vectors

    def __len__(self) -> int:
        return len(self._chunks)

    @overload
    def __getitem__(self, index: int) -> IndexedChunk: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[IndexedChunk]: ...

    def __getitem__(self, index: int | slice) -> IndexedChunk | Sequence[IndexedChunk]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        chunk = self._chunks[index]
        if not chunk.is_enabled:
            return IndexedChunk(chunk.id, "")
        return IndexedChunk(chunk.id, chunk.search_text, self._vectors[index] if self._vectors else None)


def _indexed(
    version: DocumentVersion, chunks: Sequence[Chunk], vectors: VectorFile, space: str | None
) -> IndexedVersion:
    return IndexedVersion(
        knowledge_base_id=chunks[0].knowledge_base_id,
        document_id=version.document_id,
        version_id=version.id,
        chunks=_Chunks(chunks, vectors if space else ()),
        space=space,
        language=version.language,
        media_type=version.media_type,
        created_at=version.created_at,
    )
