"""Keeps the search index in step with documents: their rows say what is put, switched to and deleted."""

from collections.abc import Sequence
from uuid import UUID

from nexent_gql.db.session import Database
from nexent_gql.domains.knowledge.embedding import KnowledgeEmbedder, SpaceVectors
from nexent_gql.domains.knowledge.repository import ChunkRepository, DocumentRepository, KnowledgeBaseRepository
from nexent_gql.domains.knowledge.tables import Chunk, DocumentVersion
from nexent_gql.ports.search_index import IndexedChunk, IndexedVersion, SearchIndex, VersionNotIndexedError


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

    async def put(self, tenant_id: UUID, version_id: UUID) -> None:
        """Put the chunks of a version; nobody finds them before `publish`.

        Raises:
            ModelError: The embedding model failed.
        """
        async with self._db.read(tenant_id) as session:
            version = await DocumentRepository(session, tenant_id).version(version_id)
            chunks = await ChunkRepository(session, tenant_id).all_of_version(version_id)
        if version is None or not chunks:
            return
        texts = [chunk.search_text for chunk in chunks]
        embedded = await self._embedder.embed_passages(tenant_id, version.created_by, texts)
        await self._index.put(tenant_id, _indexed(version, chunks, embedded))

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


def _indexed(version: DocumentVersion, chunks: Sequence[Chunk], embedded: SpaceVectors | None) -> IndexedVersion:
    first = chunks[0]
    vectors = embedded.vectors if embedded else [None] * len(chunks)
    return IndexedVersion(
        knowledge_base_id=first.knowledge_base_id,
        document_id=version.document_id,
        version_id=version.id,
        chunks=[
            IndexedChunk(chunk.id, chunk.search_text, vector) for chunk, vector in zip(chunks, vectors, strict=True)
        ],
        space=embedded.space if embedded else None,
        language=version.language,
        media_type=version.media_type,
        created_at=version.created_at,
    )
