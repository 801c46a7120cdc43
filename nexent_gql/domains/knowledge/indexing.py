"""Keeps the search index in step with documents: their rows say what is put, switched to and deleted."""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import overload
from uuid import UUID

import structlog
from sqlalchemy import TextClause, text

from nexent_gql.db.session import Database
from nexent_gql.domains.knowledge.embedding import KnowledgeEmbedder, route_identity, space_of
from nexent_gql.domains.knowledge.errors import IndexSwitchedError
from nexent_gql.domains.knowledge.index_ids import INDEX_NUMBERS, index_id
from nexent_gql.domains.knowledge.index_targets import IndexTarget, find_target
from nexent_gql.domains.knowledge.model_change_repository import EmbeddingModelChangeRepository
from nexent_gql.domains.knowledge.model_change_tables import IndexEntry
from nexent_gql.domains.knowledge.repository import ChunkRepository, DocumentRepository, KnowledgeBaseRepository
from nexent_gql.domains.knowledge.service import KEYWORD_ONLY, NO_MODEL
from nexent_gql.domains.knowledge.tables import (
    Chunk,
    DocumentVersion,
    EmbeddingChoice,
    KnowledgeBase,
    SearchLimitationCode,
)
from nexent_gql.domains.knowledge.vector_file import VectorFile
from nexent_gql.kernel.errors import DomainError
from nexent_gql.ports.embeddings import Vector
from nexent_gql.ports.llm_routes import ModelRoute
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
        model: The embedding model that was to be used, see `route_identity`; None if there is none.
        space: Names its vectors; None if the version is found by words only.
        code: Why it is found by words only.
        message: The same for people.
        target: Where it was put; None if it was not, because searches no longer find the version.
    """

    model: str | None = None
    space: str | None = None
    code: SearchLimitationCode | None = None
    message: str | None = None
    target: IndexTarget | None = None

    def record(self, row: DocumentVersion | IndexEntry, now: datetime) -> None:
        """Keep it with the version."""
        row.index_format, row.indexed_at = INDEX_FORMAT, now
        row.index_model, row.index_space = self.model, self.space
        row.limitation_code, row.limitation_message = self.code, self.message
        row.index_edits = self.target.edits if self.target else 0

    def check(self, base: KnowledgeBase) -> None:
        """Check that searches of a base use the index that the version was put into.

        Raises:
            IndexSwitchedError: They use another one since; put the version again.
        """
        if self.target is not None and self.target.number != base.index_number:
            raise IndexSwitchedError


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

    async def put(
        self,
        tenant_id: UUID,
        version_id: UUID,
        *,
        number: int | None = None,
        is_last_attempt: bool = True,
        needs_vectors: bool = False,
    ) -> IndexOutcome:
        """Put the chunks of a version; searches find them after `publish`, or at once if they find the version already.

        A version whose embedding model fails for good is put without vectors. Chunks that are edited meanwhile are put
        again, also when searches switch to another index, and a version that is superseded or deleted meanwhile, and
        purged perhaps, is deleted from the index.

        Args:
            tenant_id: The tenant.
            version_id: The version.
            number: The index; None is the one that searches use.
            is_last_attempt: Whether a failure that may pass counts as one for good.
            needs_vectors: Whether any failure of the embedding model is raised.

        Raises:
            DomainError: The embedding model or the index failed, and another attempt may help.
        """
        outcome = IndexOutcome()
        while (target := await self._target(tenant_id, version_id, number)) is not None:
            if target == outcome.target:
                return outcome
            if outcome.target is not None and outcome.target.number != target.number:
                await self._delete(tenant_id, version_id, [outcome.target.number])
            outcome = await self._put_once(
                tenant_id, version_id, target, is_last_attempt=is_last_attempt, needs_vectors=needs_vectors
            )
        numbers = range(INDEX_NUMBERS) if number is None else (number,)
        await self._delete(tenant_id, version_id, numbers)
        return IndexOutcome()

    async def _put_once(
        self, tenant_id: UUID, version_id: UUID, target: IndexTarget, *, is_last_attempt: bool, needs_vectors: bool
    ) -> IndexOutcome:
        async with self._db.read(tenant_id) as session:
            version = await DocumentRepository(session, tenant_id).version(version_id)
            chunks = await ChunkRepository(session, tenant_id).all_of_version(version_id)
        if version is None or not chunks:
            return IndexOutcome(target=target)
        with closing(VectorFile()) as vectors:
            try:
                outcome = await self._embed(target.choice, version, chunks, vectors)
            except DomainError as error:
                if needs_vectors or (error.retryable and not is_last_attempt):
                    raise
                _log.warning("knowledge.indexed_without_vectors", version_id=str(version_id), code=error.code)
                outcome = _failed(await self._identity(tenant_id, target.choice), error)
            await self._index.put(tenant_id, _indexed(version, chunks, vectors, (outcome.space, target.number)))
        return replace(outcome, target=target)

    async def _target(self, tenant_id: UUID, version_id: UUID, number: int | None) -> IndexTarget | None:
        async with self._db.read(tenant_id) as session:
            return await find_target(session, tenant_id, version_id, number)

    async def publish(self, tenant_id: UUID, document_id: UUID, *, number: int | None = None) -> None:
        """Let searches of an index find the current version of a document, which is put if the index has lost it."""
        async with self._db.read(tenant_id) as session:
            version = await DocumentRepository(session, tenant_id).current_version(document_id)
            target = None if version is None else await find_target(session, tenant_id, version.id, number)
        if version is None or target is None:
            return
        ids = index_id(document_id, target.number), index_id(version.id, target.number)
        try:
            await self._index.switch(tenant_id, *ids, fence=version.number)
        except VersionNotIndexedError:
            await self.put(tenant_id, version.id, number=number)
            await self._index.switch(tenant_id, *ids, fence=version.number)
        await self._count_write(tenant_id, _BASE_OF_DOCUMENT, document_id)

    async def delete_base(self, tenant_id: UUID, base_id: UUID) -> None:
        """Delete what is hidden already: a deleted base, deleted documents of a base, and superseded versions."""
        async with self._db.read(tenant_id) as session:
            base = await KnowledgeBaseRepository(session, tenant_id).get(base_id)
            hidden = await DocumentRepository(session, tenant_id).hidden_versions(base_id)
            changes = EmbeddingModelChangeRepository(session, tenant_id)
            numbers = (await changes.index_numbers([base_id])).get(base_id, {0})
        if base is None:
            for number in numbers:
                await self._index.delete_base(tenant_id, index_id(base_id, number))
            return
        for version_id in hidden:
            await self._delete(tenant_id, version_id, numbers)
        if hidden:
            await self._count_write(tenant_id, _BASE, base_id)

    async def _count_write(self, tenant_id: UUID, statement: TextClause, id_: UUID) -> None:
        """Let searches ask the index again, because it has changed."""
        async with self._db.transaction(tenant_id) as session:
            await session.execute(statement, {"tenant": tenant_id, "id": id_})

    async def _delete(self, tenant_id: UUID, version_id: UUID, numbers: Collection[int]) -> None:
        for number in numbers:
            await self._index.delete_version(tenant_id, index_id(version_id, number))

    async def _embed(
        self, choice: EmbeddingChoice, version: DocumentVersion, chunks: Sequence[Chunk], vectors: VectorFile
    ) -> IndexOutcome:
        if choice.is_keyword_only:
            return IndexOutcome(code=SearchLimitationCode.KEYWORD_ONLY, message=KEYWORD_ONLY)
        route = await self._embedder.route(version.tenant_id, choice)
        if route is None:
            return IndexOutcome(code=SearchLimitationCode.NO_EMBEDDING_MODEL, message=NO_MODEL)
        texts = [chunk.search_text for chunk in chunks]
        async for batch in self._embedder.embed_passages(route, version.tenant_id, version.created_by, texts):
            await asyncio.to_thread(vectors.extend, batch)
        identity = route_identity(route)
        return IndexOutcome(identity, space_of(identity, vectors.dimensions))

    async def _identity(self, tenant_id: UUID, choice: EmbeddingChoice) -> str | None:
        route: ModelRoute | None = None
        try:
            route = await self._embedder.route(tenant_id, choice)
        except DomainError as error:  # an unreadable key: the model has no identity until its key is entered again
            _log.info("knowledge.no_embedding_model", code=error.code)
        return None if route is None else route_identity(route)


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
    version: DocumentVersion, chunks: Sequence[Chunk], vectors: VectorFile, place: tuple[str | None, int]
) -> IndexedVersion:
    space, number = place
    return IndexedVersion(
        knowledge_base_id=index_id(chunks[0].knowledge_base_id, number),
        document_id=index_id(version.document_id, number),
        version_id=index_id(version.id, number),
        chunks=_Chunks(chunks, vectors if space else ()),
        space=space,
        language=version.language,
        media_type=version.media_type,
        created_at=version.created_at,
    )
