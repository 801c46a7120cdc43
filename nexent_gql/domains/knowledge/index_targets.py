"""Says into which index a version of a document belongs, and how."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from nexent_gql.domains.knowledge.model_change_repository import EmbeddingModelChangeRepository
from nexent_gql.domains.knowledge.tables import Document, DocumentVersion, EmbeddingChoice, KnowledgeBase


@dataclass(frozen=True, slots=True)
class IndexTarget:
    """Where a version is to be put.

    Attributes:
        number: The index of its base.
        choice: How it is compared by meaning there.
        edits: How often its chunks were edited.
    """

    number: int
    choice: EmbeddingChoice
    edits: int


async def find_target(
    session: AsyncSession, tenant_id: UUID, version_id: UUID, number: int | None = None
) -> IndexTarget | None:
    """Return where a version is to be put.

    Args:
        session: Reads.
        tenant_id: The tenant.
        version_id: The version.
        number: The index; None is the one that searches use.

    Returns:
        None for a version that searches no longer find, and for an index that is neither used nor built.
    """
    query = (
        select(col(DocumentVersion.edits), KnowledgeBase)
        .join(Document, col(Document.id) == col(DocumentVersion.document_id))
        .join(KnowledgeBase, col(KnowledgeBase.id) == col(Document.knowledge_base_id))
        .where(
            col(DocumentVersion.tenant_id) == tenant_id,
            col(Document.tenant_id) == tenant_id,
            col(KnowledgeBase.tenant_id) == tenant_id,
            col(DocumentVersion.id) == version_id,
            col(DocumentVersion.id).in_((col(Document.latest_version_id), col(Document.current_version_id))),
            col(Document.deleted_at).is_(None),
            col(KnowledgeBase.deleted_at).is_(None),
        )
    )
    row = (await session.execute(query)).one_or_none()
    if row is None:
        return None
    edits, base = row[0], row[1]
    if number is None or number == base.index_number:
        return IndexTarget(base.index_number, base.embedding, edits)
    change = await EmbeddingModelChangeRepository(session, tenant_id).running(base.id)
    target = change.target if change else None
    return IndexTarget(number, target[1], edits) if target is not None and target[0] == number else None
