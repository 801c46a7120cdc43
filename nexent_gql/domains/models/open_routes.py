"""Routes as calls use them: with the keys of their models opened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from nexent_gql.domains.models.endpoints import require_model
from nexent_gql.domains.models.errors import ChatModelNotFoundError, NoDefaultModelError
from nexent_gql.domains.models.repository import ModelRepository
from nexent_gql.domains.models.routes import groups_within, route_within
from nexent_gql.domains.models.service import ModelService
from nexent_gql.domains.models.tables import ChatModel
from nexent_gql.domains.models.tables import ModelRoute as RouteRow
from nexent_gql.ports.llm import ModelEndpoint, ModelKind
from nexent_gql.ports.llm_routes import Deployment, MidAnswerPolicy, ModelRoute, VectorSpace

Weighted = Sequence[Sequence[tuple[UUID, int]]]
"""Models by group, each with its weight."""


@dataclass(frozen=True, slots=True)
class RouteChoice:
    """A model, a route or, where both are None, the tenant's default of the kind."""

    kind: ModelKind
    model_id: UUID | None = None
    route_id: UUID | None = None


async def open_choice(
    session: AsyncSession, tenant_id: UUID, models: ModelService, choice: RouteChoice, affinity: str = ""
) -> ModelRoute:
    """Return the route of a choice; a single model is a route of one deployment.

    Raises:
        ChatModelNotFoundError: The tenant has no such model.
        ModelKindMismatchError: The model is of another kind.
        RouteNotFoundError: The tenant has no such route.
        RouteKindMismatchError: The route is of another kind.
        NoDefaultModelError: The tenant has neither a route nor a model of the kind.
        SecretUnreadableError: The key was stored under another key of the installation.
    """
    row = await _find(session, tenant_id, choice)
    if isinstance(row, ChatModel):
        return ModelRoute.of(models.open_endpoint(row), affinity)
    stored_groups = (await groups_within(session, tenant_id, [row.id]))[row.id].groups
    weighted = [[(each.model_id, each.weight) for each in group] for group in stored_groups]
    groups = await open_groups(session, tenant_id, models, weighted)
    is_vector_route = row.vector_model is not None and row.dimensions is not None
    return ModelRoute(
        groups=groups,
        mid_answer_policy=MidAnswerPolicy(row.mid_answer_policy),
        first_token_s=row.first_token_s,
        affinity=affinity,
        vectors=VectorSpace(row.vector_model or "", row.dimensions or 0) if is_vector_route else None,
        identity=_identity(row, weighted),
    )


async def first_model(session: AsyncSession, tenant_id: UUID, choice: RouteChoice) -> ChatModel:
    """Return the model of a choice, of a route the one that serves first.

    Raises:
        ChatModelNotFoundError: The tenant has no such model.
        ModelKindMismatchError: The model is of another kind.
        RouteNotFoundError: The tenant has no such route.
        RouteKindMismatchError: The route is of another kind.
        NoDefaultModelError: The tenant has neither a route nor a model of the kind.
    """
    row = await _find(session, tenant_id, choice)
    if isinstance(row, ChatModel):
        return row
    first_id = (await groups_within(session, tenant_id, [row.id]))[row.id].groups[0][0].model_id
    return await require_model(session, tenant_id, first_id, choice.kind)


async def open_groups(
    session: AsyncSession, tenant_id: UUID, models: ModelService, groups: Weighted
) -> tuple[tuple[Deployment, ...], ...]:
    """Return the deployments of groups; models that were deleted or whose keys cannot be opened are left out.

    Raises:
        ChatModelNotFoundError: None is left.
    """
    model_ids = [model_id for group in groups for model_id, _ in group]
    endpoints = await models.endpoints(session, tenant_id, model_ids)
    opened_groups = [group for each in groups if (group := _deployments(each, endpoints))]
    if not opened_groups:
        raise ChatModelNotFoundError(model_ids[0])
    return tuple(opened_groups)


async def _find(session: AsyncSession, tenant_id: UUID, choice: RouteChoice) -> ChatModel | RouteRow:
    if choice.route_id is not None:
        return await route_within(session, tenant_id, choice.route_id, choice.kind)
    if choice.model_id is not None:
        return await require_model(session, tenant_id, choice.model_id, choice.kind)
    row = await ModelRepository(session, tenant_id).default_or_route(choice.kind)
    if row is None:
        raise NoDefaultModelError(choice.kind)
    return row


def _deployments(group: Sequence[tuple[UUID, int]], endpoints: Mapping[UUID, ModelEndpoint]) -> tuple[Deployment, ...]:
    return tuple(
        [
            Deployment(endpoint, weight)
            for model_id, weight in group
            if (endpoint := endpoints.get(model_id)) is not None
        ]
    )


def _identity(row: RouteRow, groups: Weighted) -> str:
    """Name what decides about results: of vectors the model and its dimensions, of scores all models of the route."""
    if row.vector_model is not None:
        return f"ROUTE:{row.vector_model}:{row.dimensions}"
    model_ids = sorted(str(model_id) for group in groups for model_id, _ in group)
    return f"ROUTE:{row.id}:{sha256(repr(model_ids).encode()).hexdigest()[:12]}"
