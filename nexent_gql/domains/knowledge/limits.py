"""How many bases and documents there may be."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from nexent_gql.domains.knowledge.errors import KnowledgeLimitError
from nexent_gql.domains.knowledge.filters import DocumentFilter
from nexent_gql.domains.knowledge.repository import DocumentRepository, KnowledgeBaseRepository
from nexent_gql.domains.knowledge.tables import KnowledgeBase

_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('knowledge_bases/' || :tenant, 0))")


@dataclass(frozen=True, slots=True)
class KnowledgeLimits:
    """Limits of an installation. What exists already stays when one is lowered.

    Attributes:
        bases_per_tenant: Knowledge bases of a tenant.
        documents_per_base: Documents of a base, in every state.
    """

    bases_per_tenant: int = 1_000
    documents_per_base: int = 20_000

    async def require_base(self, session: AsyncSession, tenant_id: UUID) -> None:
        """Check that a tenant may have another base; others wait until the transaction ends.

        Raises:
            KnowledgeLimitError: It has as many as it may have.
        """
        await session.execute(_LOCK, {"tenant": str(tenant_id)})
        if await KnowledgeBaseRepository(session, tenant_id).count() >= self.bases_per_tenant:
            raise KnowledgeLimitError("Your tenant has {:,} knowledge bases, as many as it may.", self.bases_per_tenant)

    async def require_documents(self, session: AsyncSession, base: KnowledgeBase, count: int) -> None:
        """Check that a base, which is locked, may have so many more documents.

        Raises:
            KnowledgeLimitError: It would have too many.
        """
        present = await DocumentRepository(session, base.tenant_id).count_of_base(base.id, DocumentFilter())
        if present + count > self.documents_per_base:
            message = "A knowledge base may have {:,} documents, and this one would have more."
            raise KnowledgeLimitError(message, self.documents_per_base)
