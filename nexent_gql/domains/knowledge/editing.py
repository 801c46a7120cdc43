"""Edits chunks by hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from nexent_gql.db.session import Database
from nexent_gql.domains.knowledge.errors import ChunkNotFoundError
from nexent_gql.domains.knowledge.graph_requests import request_reading
from nexent_gql.domains.knowledge.jobs import IndexDocument
from nexent_gql.domains.knowledge.repository import ChunkRepository, DocumentRepository
from nexent_gql.domains.knowledge.service import writable_base
from nexent_gql.domains.knowledge.tables import Chunk
from nexent_gql.jobs.enqueue import enqueue
from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.patch import UNSET, Unset, set_or
from nexent_gql.kernel.principal import Principal
from nexent_gql.kernel.text import required_text, single_line

MAX_CHUNK_CHARS = 50_000
MAX_KEYWORDS = 20
MAX_KEYWORD_CHARS = 100


@dataclass(frozen=True, slots=True)
class ChunkPatch:
    """What to change of a chunk."""

    text: str | Unset = UNSET
    keywords: Sequence[str] | Unset = UNSET
    is_enabled: bool | Unset = UNSET


class ChunkEditor:
    """Edits chunks that are found."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def update(self, actor: Principal, chunk_id: UUID, patch: ChunkPatch) -> Chunk:
        """Change a chunk; searches show it as it is from the commit on, and find it by its new words after a job.

        Raises:
            ChunkNotFoundError: The caller can read no such chunk, or a newer version of its document is found.
            KnowledgeBaseReadOnlyError: The caller may only read it.
            InvalidInputError: A field breaks a rule.
        """
        async with self._db.transaction(actor.tenant_id) as session:
            repository = ChunkRepository(session, actor.tenant_id)
            documents = DocumentRepository(session, actor.tenant_id)
            chunks = await repository.readable(actor.user_id, [chunk_id])
            if not chunks:
                raise ChunkNotFoundError(chunk_id)
            await writable_base(session, actor, chunks[0].knowledge_base_id)
            await documents.get(chunks[0].document_id, lock=True)
            version = await documents.version(chunks[0].version_id, lock=True)
            chunks = await repository.readable(actor.user_id, [chunk_id])
            if version is None or not chunks:
                raise ChunkNotFoundError(chunk_id)
            (chunk,) = chunks
            await session.refresh(chunk)
            await session.refresh(version)
            _apply(chunk, patch)
            version.edits += 1
            await session.flush()
            work = IndexDocument(document_id=version.document_id, edits=f"{version.id}:{version.edits}")
            await enqueue(session, actor.tenant_id, work, user_id=actor.user_id)
            await request_reading(session, actor.tenant_id, chunk.knowledge_base_id)
        return chunk


def _apply(chunk: Chunk, patch: ChunkPatch) -> None:
    if patch.text is not UNSET:
        content = required_text(patch.text, "text", max_chars=MAX_CHUNK_CHARS)
        chunk.is_edited = chunk.is_edited or content != chunk.content
        chunk.content = content
    if patch.keywords is not UNSET:
        if len(patch.keywords) > MAX_KEYWORDS:
            message = f"Give at most {MAX_KEYWORDS} keywords."
            raise InvalidInputError(message, path=("keywords",), limit=MAX_KEYWORDS)
        keywords = (single_line(word, "keywords", max_chars=MAX_KEYWORD_CHARS) for word in patch.keywords)
        chunk.keywords = list(dict.fromkeys(keywords))
    chunk.is_enabled = set_or(patch.is_enabled, chunk.is_enabled)
