"""Who may read knowledge bases, for transactions of other domains."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from nexent_gql.domains.knowledge.repository import KnowledgeBaseRepository
from nexent_gql.kernel.principal import Principal


async def readable_base_ids(session: AsyncSession, actor: Principal, base_ids: Sequence[UUID]) -> set[UUID]:
    """Return those of `base_ids` that the caller may read."""
    bases = await KnowledgeBaseRepository(session, actor.tenant_id).readable(actor.user_id, base_ids)
    return {base.id for base in bases}
