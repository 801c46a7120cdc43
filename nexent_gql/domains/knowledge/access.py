"""Who may read knowledge bases and documents, for transactions of other domains."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from nexent_gql.domains.knowledge.repository import DocumentRepository, KnowledgeBaseRepository
from nexent_gql.kernel.principal import Principal


async def readable_base_ids(session: AsyncSession, actor: Principal, base_ids: Sequence[UUID]) -> set[UUID]:
    """Return those of `base_ids` that the caller may read."""
    bases = await KnowledgeBaseRepository(session, actor.tenant_id).readable(actor.user_id, base_ids)
    return {base.id for base in bases}


async def readable_document_ids(session: AsyncSession, actor: Principal, ids: Collection[UUID]) -> set[UUID]:
    """Return those of `ids` that are documents which the caller may read."""
    documents = await DocumentRepository(session, actor.tenant_id).readable(actor.user_id, ids)
    return {row.document.id for row in documents}
