"""Bases that use the tenant's default embedding model: each keeps the one that it was indexed with."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from nexent_gql.domains.knowledge.repository import DocumentRepository
from nexent_gql.domains.knowledge.tables import EmbeddingChoice, KnowledgeBase
from nexent_gql.domains.models.endpoints import require_model
from nexent_gql.domains.models.routes import default_within, route_within
from nexent_gql.domains.models.tables import ModelRoute
from nexent_gql.ports.llm import ModelKind


async def find_default(session: AsyncSession, tenant_id: UUID) -> EmbeddingChoice | None:
    """Return the tenant's default route of embedding models, else the default model; None if there is neither."""
    row = await default_within(session, tenant_id, ModelKind.EMBEDDING)
    if row is None:
        return None
    if isinstance(row, ModelRoute):
        return EmbeddingChoice(route_id=row.id, is_default=True)
    return EmbeddingChoice(row.id, is_default=True)


async def resolve_choice(session: AsyncSession, tenant_id: UUID, choice: EmbeddingChoice) -> EmbeddingChoice:
    """Return a choice with the model or the route that it means now.

    Raises:
        ChatModelNotFoundError: The tenant has no such model.
        ModelKindMismatchError: The model is no embedding model.
        RouteNotFoundError: The tenant has no such route.
        RouteKindMismatchError: The route is not one of embedding models.
    """
    if choice.is_keyword_only:
        return choice
    if choice.route_id is not None:
        await route_within(session, tenant_id, choice.route_id, ModelKind.EMBEDDING)
        return choice
    if choice.model_id is not None:
        await require_model(session, tenant_id, choice.model_id, ModelKind.EMBEDDING)
        return choice
    return await find_default(session, tenant_id) or choice


async def adopt_default(session: AsyncSession, base: KnowledgeBase) -> None:
    """Let a base, which is locked, use the default model that the tenant has got since.

    A base whose documents are found by words already stays as it is: `SearchIndexRefresher` changes its model behind a
    second index.
    """
    if base.embedding != EmbeddingChoice():
        return
    choice = await resolve_choice(session, base.tenant_id, base.embedding)
    if choice != base.embedding and not await DocumentRepository(session, base.tenant_id).has_published(base.id):
        base.embedding = choice
